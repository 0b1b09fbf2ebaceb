/** Any value that JSON can carry. Numbers in events may also be NaN, infinite or -0: see `codec/event_codec.ts`. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };
