// A kernel of recurrent.cu, run on the CPU. Called by emulated_cells.py, which names it: KERNEL_NAME.
#include "grid_on_cpu.h"

#include "recurrent.cu"

#include <utility>

template <class... Arguments, size_t... PLACES>
void call(void (*kernel)(Arguments...), void** given, std::index_sequence<PLACES...>) {
    kernel(*static_cast<Arguments*>(given[PLACES])...);
}

template <class... Arguments>
int launch(void (*kernel)(Arguments...), int blocks, size_t shared_bytes, unsigned order, void** given) {
    return emulated::run_together(blocks, THREADS, shared_bytes, order, [&] {
        call(kernel, given, std::index_sequence_for<Arguments...>());
    });
}

extern "C" unsigned shared_bytes() { return 16 * (KEPT_WEIGHTS + WORK); }

extern "C" int emulate(int blocks, unsigned order, void** given) {
    return launch(KERNEL_NAME, blocks, shared_bytes(), order, given);
}
