import { sizeOf } from "../../../core/host_tensor.ts";

import { productShape, type Sides } from "../product.ts";
import type { WebGpuKernel } from "./register_webgpu_kernels.ts";
import { multiply } from "./strided_product.ts";

/** A B + bias. */
export const product: WebGpuKernel<Sides> = (gpu, [a, b, bias], [c], sides) => {
  const { batch, rows, columns, inner } = productShape(a!.shape, b!.shape, sides);
  multiply(gpu, {
    a: {
      tensor: a!,
      item: a!.shape.length > 2 ? rows * inner : 0,
      row: sides.transposeA ? rows : inner,
      transposed: sides.transposeA,
    },
    b: {
      tensor: b!,
      item: b!.shape.length > 2 ? inner * columns : 0,
      row: sides.transposeB ? inner : columns,
      transposed: sides.transposeB,
    },
    c: { tensor: c!, item: rows * columns, row: columns },
    bias,
    items: sizeOf(batch),
    rows,
    columns,
    inner,
  });
};
