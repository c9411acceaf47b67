"""Type aliases for NumPy arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Int8Array = npt.NDArray[np.int8]
Int32Array = npt.NDArray[np.int32]
UInt64Array = npt.NDArray[np.uint64]
IndexArray = npt.NDArray[np.intp]
RecordArray = npt.NDArray[np.void]
StringArray = npt.NDArray[np.str_]
