// What a thread block works on.
#pragma once

__host__ __device__ constexpr int up(int value, int unit) { return (value + unit - 1) / unit * unit; }
__host__ __device__ constexpr int larger(int a, int b) { return a > b ? a : b; }

constexpr int WIDTH = GATES * SIZE;                                 // columns of w_h
constexpr int DEPTH = BACKWARD ? WIDTH : SIZE;                      // of the product of a step
constexpr int SUMS = BACKWARD ? 1 : GATES;                          // of its columns for a unit
constexpr int PAIRS = (LANES * UNITS + THREADS - 1) / THREADS;      // of a lane and a unit, that a thread looks after

static_assert(THREADS % 32 == 0 && STAGES > 1 && GROUPS * UNITS >= SIZE, "see recurrent.cu");
