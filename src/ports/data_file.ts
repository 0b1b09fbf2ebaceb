/** Why a file that a person named cannot be used, or written: weights, tokens, texts. */
export interface DataFileError {
  readonly type: "DataFileUnusable";
  /** What was tried, such as "read the weights". */
  readonly action: string;
  readonly place: string;
  /** What was expected of the file, and what was found. */
  readonly reason: string;
}
