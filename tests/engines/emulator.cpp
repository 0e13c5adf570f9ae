// The kernels, run on the CPU; with TOGETHER, all thread blocks at once. Called by emulated_device.py.
#ifdef TOGETHER
#include "grid_on_cpu.h"
#define RUN emulated::run_together
#else
#include "cuda_on_cpu.h"
#define RUN emulated::run_grid
#endif

#include "kernels.cu"

constexpr unsigned SHARED_BYTES = ROWS * STRIDE * 16 + sizeof(Scores) + sizeof(Notes);

extern "C" unsigned shared_bytes() { return SHARED_BYTES; }

extern "C" int emulate(int grid, unsigned order, Cell* inputs, Cell* outputs, const uint32* tokens, long long first_word,
                       const long long* row_starts, const int* rows, const uint32* keep, const float* input_rates,
                       const float* output_rates, int damped, const int* negatives,
                       long long negative_room, uint64 seed, long long first_piece, long long last_piece, long long pieces,
                       long long words, double learning_rate, double total_words, float negative_weight,
                       float context_gradient, int* queue, double* measured) {
    return RUN(grid, THREADS, SHARED_BYTES, order, [&] {
        train_pieces(inputs, outputs, tokens, first_word, row_starts, rows, keep, input_rates, output_rates, damped, negatives,
                     negative_room, seed,
                     first_piece, last_piece, pieces, words, learning_rate, total_words, negative_weight,
                     context_gradient, queue, measured);
    });
}
