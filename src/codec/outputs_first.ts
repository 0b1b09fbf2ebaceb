/**
 * A weight that is stored [position, in, out] as [out, in, position]: a kernel [h, w, in, out] as PyTorch's
 * convolutions have it, and, with one position, a matrix transposed. Borrows `data`; the caller owns the result.
 */
export function outputsFirst(
  data: ArrayLike<number>,
  { positions = 1, inputs, outputs }: {
    readonly positions?: number;
    readonly inputs: number;
    readonly outputs: number;
  },
): Float32Array {
  const turned = new Float32Array(data.length);
  for (let position = 0; position < positions; position++) {
    for (let input = 0; input < inputs; input++) {
      for (let output = 0; output < outputs; output++) {
        turned[(output * inputs + input) * positions + position] =
          data[(position * inputs + input) * outputs + output]!;
      }
    }
  }
  return turned;
}
