// The barrier between the thread blocks that share lanes. All of them must be on the device at once.
#pragma once

// Say that what this thread block wrote may be read.
__device__ void arrive(Part& part) {
    __syncthreads();
    part.awaited += GROUPS;
    if (threadIdx.x == 0) add_release(&part.meeting->arrived);
}

// Until the others have arrived as often.
__device__ void await_others(const Part& part) {
    if (threadIdx.x == 0)
        while (load_acquire(&part.meeting->arrived) < part.awaited) let_others_run();
    __syncthreads();
}

// After the last barrier: the last to go leaves the counters as they were, for the next launch.
__device__ void go(const Part& part) {
    if (threadIdx.x == 0 && atomicAdd(&part.meeting->gone, 1u) == GROUPS - 1) {
        part.meeting->arrived = 0;
        part.meeting->gone = 0;
    }
}
