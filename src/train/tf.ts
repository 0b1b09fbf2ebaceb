/**
 * The tfjs that foldlog computes with, so that a user's task works on the same tensors.
 *
 * @module
 */
export * from "@tensorflow/tfjs";
