/**
 * Loaded before a driver: has every write to a file take FOLDLOG_FAULT_WRITE_BYTES bytes at most, as a
 * system may at any time.
 *
 * @module
 */
const limit = Number(Deno.env.get("FOLDLOG_FAULT_WRITE_BYTES"));
if (!(limit > 0)) throw new Error("Expected FOLDLOG_FAULT_WRITE_BYTES to be a number above 0");

const { write, writeSync } = Deno.FsFile.prototype;

Deno.FsFile.prototype.write = function (bytes) {
  return write.call(this, bytes.subarray(0, limit));
};

Deno.FsFile.prototype.writeSync = function (bytes) {
  return writeSync.call(this, bytes.subarray(0, limit));
};
