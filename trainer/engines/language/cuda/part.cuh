// A thread block's part, and what lies where.
#pragma once

struct Meeting {
    unsigned arrived, gone;
    unsigned unused[30];  // a line of the cache of its own
};

// The arrays that thread blocks share beside the caller's.
struct Room {
    float4* exchange;  // [2, lane groups, SHOWN]: what a step's product is made of, of this step and of the next
    float4* packed;    // [thread blocks, PACKED]: the weights that do not stay in shared memory
    Meeting* meetings; // [lane groups], zeros
};

// A thread block's part: some lanes, some units.
struct Part {
    int group, first_lane, first_unit;
    int lanes;              // of the whole batch
    float4 *kept, *stages, *inbox;  // in shared memory
    float4* packed;
    float4* exchange;       // of its lanes, of even steps
    size_t turn;            // from there to that of odd steps
    Meeting* meeting;
    unsigned awaited;       // arrivals
};

// A lane and a unit of a thread's.
struct Pair {
    int lane, unit;      // of the whole layer
    int row, column;     // in the thread block
    bool valid;
};

// Neighbouring threads have neighbouring units, which lie together in the caller's arrays, or neighbouring lanes, which do in what
// is exchanged and in the sums.
__device__ __forceinline__ int find_row(int number) { return TENSOR ? number / UNITS : number % LANES; }
__device__ __forceinline__ int find_column(int number) { return TENSOR ? number % UNITS : number / LANES; }

__device__ __forceinline__ Pair find_pair(const Part& part, int i) {
    int number = threadIdx.x + i * THREADS;
    Pair pair;
    pair.row = find_row(number);
    pair.column = find_column(number);
    pair.lane = part.first_lane + pair.row;
    pair.unit = part.first_unit + pair.column;
    pair.valid = number < LANES * UNITS && pair.unit < SIZE && pair.lane < part.lanes;
    return pair;
}

__device__ __forceinline__ float4* find_exchange(const Part& part, int t) { return part.exchange + t % 2 * part.turn; }

__device__ __forceinline__ Part find_part(const Room& room, float4* memory, int lanes) {
    int lane_group = blockIdx.x / GROUPS, lane_groups = gridDim.x / GROUPS;
    Part part;
    part.group = blockIdx.x % GROUPS;
    part.first_lane = lane_group * LANES;
    part.first_unit = part.group * UNITS;
    part.lanes = lanes;
    part.kept = memory;
    part.stages = memory + KEPT_WEIGHTS;
    part.inbox = memory + KEPT_WEIGHTS + WORK - INBOX;
    part.packed = room.packed + static_cast<size_t>(blockIdx.x) * PACKED;
    part.exchange = room.exchange + static_cast<size_t>(lane_group) * SHOWN;
    part.turn = static_cast<size_t>(lane_groups) * SHOWN;
    part.meeting = room.meetings + lane_group;
    part.awaited = 0;
    return part;
}
