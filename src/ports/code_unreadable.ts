/** A file of a training's code that could not be read, understood or found. */
export interface CodeUnreadable {
  readonly type: "CodeUnreadable";
  /** Path or URL of the file. */
  readonly file: string;
  readonly reason: string;
}
