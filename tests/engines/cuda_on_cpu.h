// Enough of CUDA C++ to run a kernel on the CPU: a thread block is a set of fibers that take turns at its barriers.
//
// Between two barriers the threads run one after the other, in an order that is drawn anew each time: a result that
// depends on the order is a race. Shared memory starts as NaN. A barrier that not all threads reach is an error.
// Thread blocks run one after the other; grid_on_cpu.h runs them together.
#pragma once

#define CUDA_ON_CPU

#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

#define __global__
#define __host__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define SHARED_MEMORY(name) float4* name = static_cast<float4*>(emulated::shared)

struct alignas(16) float4 {
    float x, y, z, w;
};
struct float2 {
    float x, y;
};
struct alignas(8) uint2 {
    unsigned x, y;
};
struct dim3 {
    unsigned x = 0, y = 0, z = 0;
};

using std::max;
using std::min;

inline float __fdividef(float a, float b) { return a / b; }
inline float __expf(float x) { return std::exp(x); }

namespace emulated {

constexpr size_t STACK = 256 * 1024;

struct Barrier {
    int size = 0, arrived = 0;
    long generation = 0;
};

struct Fiber {
    ucontext_t context;  // to start with; jumps, which ask the system for nothing, from then on
    std::jmp_buf place;
    bool started = false;
    std::unique_ptr<char[]> stack{new char[STACK]};
    const Barrier* waits_at = nullptr;
    long generation = 0;
    bool done = false;
};

inline void* shared = nullptr;
inline dim3 thread, block, grid;
inline std::jmp_buf scheduler;
inline std::vector<Fiber> fibers;
inline Barrier whole;
inline std::vector<Barrier> warps;
inline std::vector<unsigned> exchanged;  // what each lane shows to its warp
inline const std::function<void()>* body = nullptr;
inline bool paused = false;  // whether the thread that ran last only looked at something

#if defined(__SANITIZE_ADDRESS__)
inline const void* scheduler_stack = nullptr;
inline size_t scheduler_size = 0;
#endif

inline void leave(Fiber& fiber) {
#if defined(__SANITIZE_ADDRESS__)
    void* kept = nullptr;
    __sanitizer_start_switch_fiber(fiber.done ? nullptr : &kept, scheduler_stack, scheduler_size);
#endif
    if (!_setjmp(fiber.place)) _longjmp(scheduler, 1);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(kept, &scheduler_stack, &scheduler_size);
#endif
}

inline void resume(Fiber& fiber) {
#if defined(__SANITIZE_ADDRESS__)
    void* kept = nullptr;
    __sanitizer_start_switch_fiber(&kept, fiber.stack.get(), STACK);
#endif
    if (!_setjmp(scheduler)) {
        if (fiber.started) _longjmp(fiber.place, 1);
        fiber.started = true;
        setcontext(&fiber.context);
    }
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(kept, nullptr, nullptr);
#endif
}

inline void run_fiber() {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_size);
#endif
    (*body)();
    Fiber& fiber = fibers[thread.x];
    fiber.done = true;
    leave(fiber);
}

inline void wait(Barrier& barrier) {
    unsigned here = thread.x;
    Fiber& fiber = fibers[here];
    fiber.waits_at = &barrier;
    fiber.generation = barrier.generation;
    if (++barrier.arrived == barrier.size) {
        barrier.arrived = 0;
        ++barrier.generation;
    }
    leave(fiber);
    fiber.waits_at = nullptr;
    thread.x = here;
}

inline unsigned lanes_value(unsigned lane) { return exchanged[thread.x / 32 * 32 + lane % 32]; }

// Threads of a block that is about to start.
inline void start_threads(int threads) {
    fibers = std::vector<Fiber>(threads);
    whole = Barrier{threads};
    warps.assign((threads + 31) / 32, Barrier{min(threads, 32)});
    exchanged.assign(threads, 0);
    for (Fiber& fiber : fibers) {
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.get();
        fiber.context.uc_stack.ss_size = STACK;
        fiber.context.uc_link = nullptr;
        makecontext(&fiber.context, run_fiber, 0);
    }
}

// Let every thread run that can, until its next barrier. Returns whether there was one.
inline bool take_turns(const std::vector<int>& turns) {
    bool moved = false;
    for (int i : turns) {
        Fiber& fiber = fibers[i];
        if (fiber.done || (fiber.waits_at && fiber.waits_at->generation == fiber.generation)) continue;
        thread.x = i;
        paused = false;
        resume(fiber);
        moved |= !paused;
    }
    return moved;
}

inline bool all_done() {
    return std::all_of(fibers.begin(), fibers.end(), [](const Fiber& fiber) { return fiber.done; });
}

inline std::unique_ptr<char[]> make_shared_memory(size_t size) {
    std::unique_ptr<char[]> memory{new char[size]};
    std::memset(memory.get(), 0xFF, size);
    return memory;
}

inline std::vector<int> count_to(int size) {
    std::vector<int> numbers(size);
    std::iota(numbers.begin(), numbers.end(), 0);
    return numbers;
}

// Run `kernel` in `blocks` thread blocks of `threads`. Returns 0, or 1 where threads wait for others that never come.
inline int run_grid(int blocks, int threads, size_t shared_bytes, unsigned order, const std::function<void()>& kernel) {
    std::mt19937 random(order);
    body = &kernel;
    grid.x = blocks;
    for (int number = 0; number < blocks; ++number) {
        std::unique_ptr<char[]> memory = make_shared_memory(shared_bytes);
        shared = memory.get();
        block.x = number;
        start_threads(threads);
        std::vector<int> turns = count_to(threads);
        do {
            if (order) std::shuffle(turns.begin(), turns.end(), random);
        } while (take_turns(turns));
        if (!all_done()) return 1;
    }
    return 0;
}

}  // namespace emulated

#define threadIdx emulated::thread
#define blockIdx emulated::block
#define gridDim emulated::grid

inline void __syncthreads() { emulated::wait(emulated::whole); }
inline void __syncwarp() { emulated::wait(emulated::warps[threadIdx.x / 32]); }

inline float __shfl_xor_sync(unsigned, float value, int lanes) {
    std::memcpy(&emulated::exchanged[threadIdx.x], &value, 4);
    __syncwarp();
    unsigned other = emulated::lanes_value(threadIdx.x % 32 ^ lanes);
    __syncwarp();  // before the next value is shown
    std::memcpy(&value, &other, 4);
    return value;
}

inline unsigned __ballot_sync(unsigned, bool value) {
    emulated::exchanged[threadIdx.x] = value;
    __syncwarp();
    unsigned all = 0, lanes = min<size_t>(emulated::fibers.size(), 32);
    for (unsigned lane = 0; lane < lanes; ++lane) all |= emulated::lanes_value(lane) << lane;
    __syncwarp();
    return all;
}

inline void __threadfence() {}
inline int __popc(unsigned value) { return __builtin_popcount(value); }
inline int __ffs(unsigned value) { return __builtin_ffs(static_cast<int>(value)); }
inline int __clz(unsigned value) { return value ? __builtin_clz(value) : 32; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
template <class T>
T __ldcg(const T* address) {
    return *address;
}

inline unsigned __float_as_uint(float value) {
    unsigned bits;
    std::memcpy(&bits, &value, 4);
    return bits;
}

inline float __uint_as_float(unsigned bits) {
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
}

#if HALVES
// Two numbers of 16 bits, the first in the lower half.
inline unsigned pack_halves(float low, float high) {
    _Float16 pair[2] = {static_cast<_Float16>(low), static_cast<_Float16>(high)};
    unsigned packed;
    std::memcpy(&packed, pair, 4);
    return packed;
}

inline float2 unpack_halves(unsigned packed) {
    _Float16 pair[2];
    std::memcpy(pair, &packed, 4);
    return {static_cast<float>(pair[0]), static_cast<float>(pair[1])};
}

inline void add_halves(void* address, unsigned first, unsigned second) {
    _Float16 numbers[4], changes[4];
    unsigned pairs[2] = {first, second};
    std::memcpy(numbers, address, 8);
    std::memcpy(changes, pairs, 8);
    for (int i = 0; i < 4; ++i) numbers[i] += changes[i];
    std::memcpy(address, numbers, 8);
}
#endif

template <class T>
T atomicAdd(T* address, T value) {
    T before = *address;
    *address = before + value;
    return before;
}
