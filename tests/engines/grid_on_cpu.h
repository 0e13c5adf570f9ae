// cuda_on_cpu.h for kernels whose thread blocks wait for each other: all of them are under way, each at its own speed.
//
// Copies that run beside the computing come at once or, in a drawn order, as late as they may.
#pragma once

#include "cuda_on_cpu.h"

#include <deque>

namespace emulated {

struct Copy {
    float4* to;
    const float4* from;
};

using Copies = std::deque<std::vector<Copy>>;  // of a thread; the last group is open

struct Block {
    std::unique_ptr<char[]> memory;
    std::vector<Fiber> fibers;
    Barrier whole;
    std::vector<Barrier> warps;
    std::vector<unsigned> exchanged;
    std::vector<Copies> copies;
};

inline std::vector<Copies> copies;
inline bool late = false;

inline void swap_in(Block& other) {
    fibers.swap(other.fibers);
    std::swap(whole, other.whole);
    warps.swap(other.warps);
    exchanged.swap(other.exchanged);
    copies.swap(other.copies);
}

inline void finish_copies(size_t later) {
    Copies& own = copies[thread.x];
    while (own.size() > later + 1) {
        for (const Copy& copy : own.front()) *copy.to = *copy.from;
        own.pop_front();
    }
}

// Run `kernel` in `number` thread blocks of `threads` at once. Returns 0, or 1 where all wait for what never comes.
inline int run_together(int number, int threads, size_t shared_bytes, unsigned order, const std::function<void()>& kernel) {
    std::mt19937 random(order);
    body = &kernel;
    grid.x = number;
    late = order % 2 == 1;
    std::vector<Block> blocks(number);
    for (Block& each : blocks) {
        each.memory = make_shared_memory(shared_bytes);
        start_threads(threads);
        copies.assign(threads, Copies(1));
        swap_in(each);
    }
    std::vector<int> turns = count_to(threads), order_of_blocks = count_to(number);
    for (bool moved = true; moved;) {
        moved = false;
        if (order) std::shuffle(order_of_blocks.begin(), order_of_blocks.end(), random);
        for (int i : order_of_blocks) {
            shared = blocks[i].memory.get();
            block.x = i;
            swap_in(blocks[i]);
            for (int rounds = order ? 1 + random() % 8 : 1; rounds > 0; --rounds) {
                if (order) std::shuffle(turns.begin(), turns.end(), random);
                if (!take_turns(turns)) break;
                moved = true;
            }
            swap_in(blocks[i]);
        }
    }
    for (Block& each : blocks) {
        swap_in(each);
        bool done = all_done();
        swap_in(each);
        if (!done) return 1;
    }
    return 0;
}

}  // namespace emulated

inline void add_release(unsigned* counter) { ++*counter; }
inline unsigned load_acquire(const unsigned* counter) { return *counter; }

inline void let_others_run() {
    unsigned here = threadIdx.x;
    emulated::paused = true;
    emulated::leave(emulated::fibers[here]);
    threadIdx.x = here;
}

inline void copy_async(float4* to, const float4* from) {
    if (emulated::late) emulated::copies[threadIdx.x].back().push_back({to, from});
    else *to = *from;
}

inline void close_copies() { emulated::copies[threadIdx.x].emplace_back(); }

template <int LATER>
void await_copies() {
    emulated::finish_copies(LATER);
}
