"""What a device's memory does to recorded steps, without a device."""

import gc
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
from language.emulated_training import EmulatedLanguageDevice
from language.test_gpu_engine import SETTINGS, SIZE

from artifact.errors import InputError
from trainer.engines.language.gpu_cupy import CupyLanguageDevice
from trainer.engines.language.gpu_engine import GpuToolbox
from trainer.engines.language.gpu_training import GpuLanes
from trainer.models.rnnlm import initial_parameters


class Pool:
    """As CuPy's: where the device has no room, all that is free goes back before it is asked once more."""

    def __init__(self, room):
        self.room, self.used, self.free = room, 0, 0

    def malloc(self, size):
        if size <= self.free:
            self.free -= size
        elif self.used + self.free + size > self.room:
            self.free = 0
            if self.used + size > self.room:
                raise MemoryError
        self.used += size
        return size

    def give_back(self, size):
        self.used -= size
        self.free += size

    def total_bytes(self):
        return self.used + self.free


def make_device(room):
    device = CupyLanguageDevice.__new__(CupyLanguageDevice)
    device._scratch = Pool(room)
    device._cupy = SimpleNamespace(cuda=SimpleNamespace(memory=SimpleNamespace(OutOfMemoryError=MemoryError)))
    return device


def test_scratch_is_used_again():
    device = make_device(1000)
    for _ in range(5):
        device._scratch.give_back(device._allocate(600))
    assert device._allocate(400) == 400


@pytest.mark.parametrize(("free", "asked"), [(200, 800), (900, 940)])
def test_scratch_that_recorded_steps_use_is_not_given_back_unsaid(free, asked):
    device = make_device(1000)
    device._allocate(50)
    device._scratch.give_back(device._allocate(free))
    with pytest.raises(InputError, match="memory is not enough"):
        device._allocate(asked)


def test_what_was_recorded_for_reading_goes_with_its_lanes(tmp_path_factory):
    device = EmulatedLanguageDevice(tmp_path_factory.mktemp("compiled"))
    parameters = {
        name: device.backend.asarray(t) for name, t in initial_parameters(SETTINGS, size=SIZE).items()
    }
    lanes = GpuLanes(
        parameters,
        SETTINGS,
        backend=device.backend,
        device=device,
        toolbox=GpuToolbox(parameters, device=device),
    )
    words = np.zeros((3, 2), np.int32)
    lanes.reset(2)
    for _ in range(3):  # as it is written, recorded, repeated
        lanes.loss(words, words)
    gone = weakref.ref(lanes)
    gc.disable()
    try:
        del lanes
        assert gone() is None
    finally:
        gc.enable()
