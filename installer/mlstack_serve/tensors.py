"""Numbers of requests and answers: JSON of the protocols v1 and v2 to arrays and back. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlstack_serve.errors import BadRequest

Array = NDArray[Any]
DATATYPES: Mapping[str, str] = {
    "BOOL": "bool",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
}
"""Data types of protocol v2 -> NumPy's names. BYTES are texts."""


def rows_of_instances(body: Any) -> Array:
    """The rows of a request of protocol v1: ``{"instances": [[...], ...]}``. Raises BadRequest."""
    instances = body.get("instances") if isinstance(body, dict) else None
    if not isinstance(instances, list) or not instances:
        raise BadRequest('the body must be {"instances": [...]} with at least one instance')
    return _array(instances, "instances")


def rows_of_inputs(inputs: Any) -> Array:
    """The rows of a request of protocol v2: one tensor, or one column a tensor, side by side. Raises BadRequest."""
    if not isinstance(inputs, list) or not inputs:
        raise BadRequest('the body must have "inputs", a list of at least one tensor')
    return side_by_side([_tensor(one) for one in inputs])


def side_by_side(arrays: Sequence[Array]) -> Array:
    """Several tensors as columns of one, all with the same number of rows. Raises BadRequest."""
    if len(arrays) == 1:
        return arrays[0]
    columns = [array.reshape(len(array), -1) if array.ndim else array.reshape(1, 1) for array in arrays]
    if len({len(column) for column in columns}) > 1:
        raise BadRequest(f"the tensors have {', '.join(str(len(column)) for column in columns)} rows: they must agree")
    return np.concatenate(columns, axis=1)


def shaped(data: Array, shape: Sequence[Any], name: str) -> Array:
    """Flat or nested data in the shape that the request states. Raises BadRequest."""
    if not all(isinstance(size, int) and size >= 0 for size in shape):
        raise BadRequest(f"tensor {name}: shape must be a list of whole numbers from 0 on")
    if data.size != math.prod(shape):
        raise BadRequest(f"tensor {name}: {data.size} values do not fill shape {list(shape)}")
    return data.reshape(shape)


def datatype_of(array: Array) -> str:
    """Protocol v2's name of an array's type."""
    found = next((name for name, dtype in DATATYPES.items() if array.dtype == dtype), None)
    return found or "BYTES"


def predictions(array: Array) -> dict[str, Any]:
    """An answer of protocol v1."""
    return {"predictions": array.tolist()}


def output(array: Array, name: str) -> dict[str, Any]:
    """One output tensor of protocol v2's JSON."""
    return {"name": name, "shape": list(array.shape), "datatype": datatype_of(array), "data": array.ravel().tolist()}


def _tensor(one: Any) -> Array:
    if not isinstance(one, dict) or not {"name", "shape", "datatype", "data"} <= one.keys():
        raise BadRequest("an input tensor needs name, shape, datatype and data")
    name, datatype = str(one["name"]), one["datatype"]
    if not isinstance(one["shape"], list) or not isinstance(one["data"], list):
        raise BadRequest(f"tensor {name}: shape and data must be lists")
    if datatype == "BYTES":
        return shaped(np.asarray(one["data"], dtype=object), one["shape"], name)
    if datatype not in DATATYPES:
        raise BadRequest(f"tensor {name}: datatype {datatype} is not one of {', '.join([*DATATYPES, 'BYTES'])}")
    try:
        data = np.asarray(one["data"], dtype=DATATYPES[datatype])
    except (ValueError, TypeError, OverflowError) as error:
        raise BadRequest(f"tensor {name}: the data are not {datatype}: {error}") from None
    return shaped(data, one["shape"], name)


def _array(values: list[Any], where: str) -> Array:
    try:
        array = np.asarray(values)
    except ValueError:
        raise BadRequest(f"{where} must all have the same length") from None
    if array.dtype == object:
        raise BadRequest(f"{where} must be lists of numbers or of texts, all alike")
    return array
