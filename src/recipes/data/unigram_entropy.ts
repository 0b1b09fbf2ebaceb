/** Nats a token that a model pays which knows how frequent each token is, and nothing else. */
export function unigramEntropy(tokens: Uint8Array | Uint16Array): number {
  const counts = new Float64Array(2 ** (8 * tokens.BYTES_PER_ELEMENT));
  for (const token of tokens) counts[token]!++;
  return counts.reduce((sum, count) => {
    const share = count / tokens.length;
    return share > 0 ? sum - share * Math.log(share) : sum;
  }, 0);
}
