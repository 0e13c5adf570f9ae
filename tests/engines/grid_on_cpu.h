// cuda_on_cpu.h for kernels whose thread blocks wait for each other: all of them are under way, each at its own speed.
//
// Copies that run beside the computing come at once or, in a drawn order, as late as they may.
#pragma once

#include "cuda_on_cpu.h"

#include <deque>

#ifndef RANKS
#define RANKS 1
#endif

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
inline std::vector<Block> blocks;
inline std::vector<Barrier> clusters;  // of RANKS thread blocks

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
    blocks = std::vector<Block>(number);
    clusters.assign(number / RANKS, Barrier{threads * RANKS});
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
    bool done = true;
    for (Block& each : blocks) {
        swap_in(each);
        done &= all_done();
        swap_in(each);
    }
    blocks.clear();
    return done ? 0 : 1;
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

struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }

inline void meet_cluster() { emulated::wait(emulated::clusters[blockIdx.x / RANKS]); }

inline void send(float* place, int rank, float first, float second) {
    char* own = static_cast<char*>(emulated::shared);
    char* there = emulated::blocks[blockIdx.x / RANKS * RANKS + rank].memory.get();
    float* found = reinterpret_cast<float*>(there + (reinterpret_cast<char*>(place) - own));
    found[0] = first;
    found[1] = second;
}

// The lanes of a warp show each other their words, and each computes its four sums of each tile.
template <int COUNT, int N>
void multiply_tiles(float (&sums)[N][4], uint4 high, uint4 low, const uint2 (&lanes_high)[N], const uint2 (&lanes_low)[N]) {
    constexpr int WORDS = 8 + 4 * N;
    static std::vector<unsigned> shown;
    size_t warp = (blockIdx.x * size_t(THREADS) + threadIdx.x) / 32;
    if (shown.size() < emulated::blocks.size() * size_t(THREADS) * WORDS) shown.resize(emulated::blocks.size() * size_t(THREADS) * WORDS);
    unsigned* words = &shown[warp * 32 * WORDS];
    unsigned lane = threadIdx.x % 32;
    std::memcpy(words + lane * WORDS, &high, 16);
    std::memcpy(words + lane * WORDS + 4, &low, 16);
    for (int n = 0; n < N; ++n) {
        std::memcpy(words + lane * WORDS + 8 + 4 * n, &lanes_high[n], 8);
        std::memcpy(words + lane * WORDS + 10 + 4 * n, &lanes_low[n], 8);
    }
    __syncwarp();
    auto number = [&](unsigned from, int word, int k) { return __uint_as_float(words[from * WORDS + word] >> 16 * (k % 2) << 16); };
    for (int n = 0; n < N; ++n)
        for (int c = 0; c < 4; ++c)
            for (int k = 0; k < 16; ++k) {
                unsigned a = lane / 4 * 4 + k % 8 / 2, b = (lane % 4 * 2 + c % 2) * 4 + k % 8 / 2;
                int word_a = c / 2 + k / 8 * 2, word_b = 8 + 4 * n + k / 8;
                float a_high = number(a, word_a, k), a_low = number(a, 4 + word_a, k);
                float b_high = number(b, word_b, k), b_low = number(b, 2 + word_b, k);
                sums[n][c] += a_high * b_high;
                if (COUNT == 3) sums[n][c] += a_high * b_low + a_low * b_high;
            }
    __syncwarp();
}
