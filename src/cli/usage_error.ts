/** Something that the person at the command line can mend: printed as it is, exit status 2. */
export class UsageError extends Error {}
