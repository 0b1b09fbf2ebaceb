/** A run, and of which other it is a fork. */
export interface TreeRun {
  readonly runId: string;
  readonly parent: string | null;
}

/**
 * Runs in the order of their lineage, each with the lines that lead to it: "|- ", "|  `- ". One whose parent
 * is not among them stands for itself.
 */
export function runTree<A extends TreeRun>(
  runs: readonly A[],
): readonly { readonly run: A; readonly lead: string }[] {
  const known = new Set(runs.map(({ runId }) => runId));
  const childrenOf = Map.groupBy(runs, ({ parent }) => parent);
  const roots = runs.filter(({ parent }) => parent === null || !known.has(parent));
  return roots.flatMap((root) => [{ run: root, lead: "" }, ...below(root, "")]);

  function below(parent: A, lead: string): { readonly run: A; readonly lead: string }[] {
    const children = childrenOf.get(parent.runId) ?? [];
    return children.flatMap((run, index) => {
      const last = index === children.length - 1;
      return [
        { run, lead: `${lead}${last ? "`- " : "|- "}` },
        ...below(run, `${lead}${last ? "   " : "|  "}`),
      ];
    });
  }
}
