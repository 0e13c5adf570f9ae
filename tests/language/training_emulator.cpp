// The kernels of training.cu, run on the CPU. Called by emulated_training.py.
#define __shared__ static  // thread blocks run one after the other
#include "cuda_on_cpu.h"

using std::isfinite;

#include "training.cu"

#include <string>
#include <utility>

template <class... A, size_t... I>
int run(void (*kernel)(A...), int grid, unsigned order, void** given, std::index_sequence<I...>) {
    return emulated::run_grid(grid, THREADS, 1, order, [&] { kernel(*static_cast<A*>(given[I])...); });
}

template <class... A>
int run(void (*kernel)(A...), int count, int grid, unsigned order, void** given) {
    if (count != sizeof...(A)) return 2;
    return run(kernel, grid, order, given, std::index_sequence_for<A...>{});
}

// Returns 0; 1 where threads wait for others that never come, 2 for a wrong number of arguments, 3 for no such kernel.
extern "C" int emulate(const char* name, int grid, unsigned order, int count, void** given) {
    std::string wanted = name;
#define TRY(kernel) \
    if (wanted == #kernel) return run(kernel, count, grid, order, given)
    TRY(gather_rows);
    TRY(sum_rows);
    TRY(add_rows);
    TRY(spread_bias);
    TRY(copy_rows);
    TRY(sum_columns);
    TRY(drop_values);
    TRY(drop_words);
    TRY(add_penalty);
    TRY(add_change_penalty);
    TRY(rnn_step);
    TRY(rnn_step_back);
    TRY(lstm_step);
    TRY(lstm_step_back);
    TRY(gru_step);
    TRY(gru_step_back);
    TRY(softmax_rows);
    TRY(square_pieces);
    TRY(square_rows);
    TRY(judge_block);
    TRY(change_pieces);
    TRY(change_rows);
    TRY(average_pieces);
    return 3;
}
