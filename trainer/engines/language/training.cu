// What a language model's training on a GPU computes beside its products, which are cuBLAS's: rows of the embedding, dropout, the
// steps of recurrent layers, the softmax with its loss and gradient, and the update of the weights.
//
// Kernels are small, each the counterpart of a piece of trainer.layers or trainer.language_optimizers; gpu_training.py records
// a whole step of them as a CUDA graph. Sums are made in a fixed order: what is repeated is repeated bit for bit.
//
// Compiled for THREADS, a power of two from 32 on.

#include "cuda/numbers.cuh"
#include "cuda/rows.cuh"
#include "cuda/dropout.cuh"
#include "cuda/cell_steps.cuh"
#include "cuda/softmax.cuh"
#include "cuda/updates.cuh"
