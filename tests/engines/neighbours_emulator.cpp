// The selection of neighbours, run on the CPU. Called by emulated_neighbours.py.
#include "cuda_on_cpu.h"

#include "neighbours.cu"

extern "C" unsigned shared_bytes() { return sizeof(Kept); }

extern "C" int emulate(int grid, unsigned order, const float4* scores, long long width, long long first_row, const float* vectors,
                       const float* units, const float* norms, long long words, int dim, float slack, int wanted, int* ids,
                       float* cosines, int* crowded) {
    return emulated::run_grid(grid, THREADS, sizeof(Kept), order, [&] {
        find_neighbours(scores, width, first_row, vectors, units, norms, words, dim, slack, wanted, ids, cosines, crowded);
    });
}
