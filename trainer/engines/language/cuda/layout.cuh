// What a thread block works on, and where it lies in shared memory.
#pragma once

constexpr int up(int value, int unit) { return (value + unit - 1) / unit * unit; }

constexpr int WIDTH = GATES * SIZE;                                 // columns of w_h
constexpr int DEPTH = BACKWARD ? WIDTH : SIZE;                      // of the product of a step
constexpr int SUMS = BACKWARD ? 1 : GATES;                          // of its columns for a unit
constexpr int ACROSS = (SUMS * UNITS + TILE_COLUMNS - 1) / TILE_COLUMNS;  // threads side by side
constexpr int COLUMNS = ACROSS * TILE_COLUMNS;                      // of a thread block's product
constexpr int LANES4 = up(LANES, 4) / 4;                            // fours of lanes that are exchanged
constexpr int TILED_LANES = up(LANES, 4 * TILE_LANES) / 4;          // fours of lanes that are computed
constexpr int ROW = TILED_LANES | 1;                                // in shared memory: odd, so that rows start in different banks
constexpr int DOWN = TILED_LANES / TILE_LANES;
constexpr int SPLITS = THREADS / (ACROSS * DOWN);                   // of the depth
constexpr int CHUNK = 4 * SPLITS * TURNS;                           // rows of the depth that are copied together
constexpr int CHUNKS = (DEPTH + CHUNK - 1) / CHUNK;
constexpr bool STREAMED = KEPT < CHUNKS;                            // whether some weights do not stay in shared memory
constexpr int CHUNK_WEIGHTS = CHUNK / 4 * COLUMNS;                  // float4s
constexpr int STAGE = CHUNK * ROW + (STREAMED ? CHUNK_WEIGHTS : 0); // float4s: the states of a chunk, then its weights
constexpr int SLOT = COLUMNS * ROW;                                 // float4s of one split's sums
constexpr int RING = STAGES * STAGE > SLOTS * SLOT ? STAGES * STAGE : SLOTS * SLOT;
constexpr int PAIRS = (LANES * UNITS + THREADS - 1) / THREADS;      // of a lane and a unit, that a thread looks after

static_assert(THREADS % 32 == 0 && SPLITS > 0 && SLOTS > 0 && KEPT <= CHUNKS && STAGES > 1 && GROUPS * UNITS >= SIZE, "see recurrent.cu");

struct Meeting {
    unsigned arrived, gone;
    unsigned unused[30];  // a line of the cache of its own
};

// The arrays that thread blocks share beside the caller's.
struct Room {
    float4* exchange;  // [2, lane groups, DEPTH, LANES4]: what a step's product is made of, of this step and of the next
    float4* packed;    // [thread blocks, CHUNKS - KEPT, CHUNK_WEIGHTS]: the weights that do not stay in shared memory
    Meeting* meetings; // [lane groups], zeros
};

// A thread block's part: some lanes, some units.
struct Part {
    int group, first_lane, first_unit;
    int lanes;              // of the whole batch
    float4 *kept, *stages;  // in shared memory
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

__device__ __forceinline__ Pair find_pair(const Part& part, int i) {
    int number = threadIdx.x + i * THREADS;
    Pair pair;
    pair.row = number % LANES;
    pair.column = number / LANES;
    pair.lane = part.first_lane + pair.row;
    pair.unit = part.first_unit + pair.column;
    pair.valid = pair.column < UNITS && pair.unit < SIZE && pair.lane < part.lanes;
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
    part.stages = memory + KEPT * CHUNK_WEIGHTS;
    part.packed = room.packed + static_cast<size_t>(blockIdx.x) * (CHUNKS - KEPT) * CHUNK_WEIGHTS;
    part.exchange = room.exchange + static_cast<size_t>(lane_group) * DEPTH * LANES4;
    part.turn = static_cast<size_t>(lane_groups) * DEPTH * LANES4;
    part.meeting = room.meetings + lane_group;
    part.awaited = 0;
    return part;
}
