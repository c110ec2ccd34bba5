from .devices import fake_names as fake_names
from .devices import load_backend as load_backend
from .snapshot import DeviceSnapshot as DeviceSnapshot
from .snapshot_problems import Problem as Problem

__all__ = ["DeviceSnapshot", "Problem", "fake_names", "load_backend"]
