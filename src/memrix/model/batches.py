"""Batches of inputs run through a model: counted, and named where something is wrong with one."""

from __future__ import annotations

import inspect
import itertools
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from torch import Tensor, nn

from memrix._support.validation import require_integer
from memrix.errors import CalibrationError, MemrixError
from memrix.nn.inputs import described, is_dense

MOST_BATCHES = 10_000
_WORTH_A_WORD = 1_000  # batches of an iterable that does not say how many it has


def run_batches(
    model: nn.Module,
    batches: Iterable[Any],
    *,
    max_batches: int = MOST_BATCHES,
    progress: Callable[[int], None] | None = None,
    around: Callable[[int], AbstractContextManager[None]] | None = None,
) -> int:
    """Call a model with each batch: a tensor, a tuple or list of arguments, or a mapping of keyword arguments.

    Args:
        model: any module.
        batches: of inputs.
        max_batches: more are refused: before the first if the iterable has a length, else when they turn up.
        progress: called with the number of batches done.
        around: gives what each batch is run inside of, by its number from 1.

    Returns:
        The number of batches.

    Raises:
        CalibrationError: there are too many batches, they fail, or one is of another kind or is not taken by the
            model; chained to the error of the model.
        MemrixError: as a layer of memrix raised it, with the number of the batch.
    """
    require_integer("max_batches", max_batches, 1, 1 << 62)
    require_batches(batches)
    count = _count(batches)
    if count is not None and count > max_batches:
        raise CalibrationError(
            f"there are {count:,} batches, and at most {max_batches:,} are run; give fewer, such as "
            f"itertools.islice(batches, 100), or say max_batches={count}"
        )
    done = 0
    for batch in _each(batches):
        if done == max_batches:
            raise CalibrationError(
                f"there are more than {max_batches:,} batches, and they do not say how many; end them, such as with "
                f"itertools.islice(batches, 100), or say max_batches=..."
            )
        done += 1
        with nullcontext() if around is None else around(done):
            _run_batch(model, batch, done)
        if progress is not None:
            progress(done)
        if done == _WORTH_A_WORD and count is None:
            warnings.warn(
                f"{done:,} batches are done and they do not say how many there are; up to max_batches="
                f"{max_batches:,} are run, Ctrl-C ends it",
                stacklevel=3,
            )
    return done


def collected(batches: Iterable[Any], *, max_batches: int = MOST_BATCHES) -> list[Any]:
    """All batches, for whoever goes through them more than once.

    Raises:
        CalibrationError: one batch was given instead of several, there are too many, or one cannot be had.
    """
    require_batches(batches)
    found: list[Any] = []
    for batch in _each(batches):
        if len(found) == max_batches:
            raise CalibrationError(
                f"there are more than {max_batches:,} batches; end them, such as with itertools.islice(batches, 100)"
            )
        found.append(batch)
    return found


def require_batches(batches: Any) -> None:  # noqa: ANN401
    """Raise CalibrationError where a single batch, or what holds none or never ends, was given instead of several."""
    # A data set of torch counts its items and has no iterator.
    if not (isinstance(batches, Iterable) or hasattr(batches, "__getitem__")):
        raise CalibrationError(
            f"batches must be a list or another iterable of batches, got {type(batches).__name__}; "
            f"give typical inputs of the model"
        )
    if isinstance(batches, (Tensor, Mapping, str, bytes)):
        raise CalibrationError(
            f"batches must be a list or another iterable of batches, got one {type(batches).__name__}; "
            f"wrap it: [batch]"
        )
    if isinstance(batches, (itertools.cycle, itertools.count)) or _repeats_for_ever(batches):
        raise CalibrationError(
            f"itertools.{type(batches).__name__} never ends; give so many batches: itertools.islice(batches, 100)"
        )


def _repeats_for_ever(batches: object) -> bool:
    if not isinstance(batches, itertools.repeat):
        return False
    try:
        batches.__length_hint__()
    except TypeError:
        return True
    return False


def _count(batches: Any) -> int | None:  # noqa: ANN401
    try:
        return len(batches)
    except Exception:  # loaders of streams have a len() that raises what their authors chose
        return None


def _each(batches: Any) -> Iterator[Any]:  # noqa: ANN401
    """The batches one by one; what fails in giving one is said to."""
    done = 0
    try:
        if isinstance(batches, Iterable):
            source: Iterator[Any] = iter(batches)
        else:  # by its length: not every data set ends with the IndexError that iter() waits for
            count = _count(batches)
            source = (batches[i] for i in (itertools.count() if count is None else range(count)))
        while True:
            try:
                batch = next(source)
            except StopIteration:
                return
            except IndexError:
                if isinstance(batches, Iterable):
                    raise
                return
            done += 1
            yield batch
    except MemrixError:
        raise
    except Exception as error:
        raise CalibrationError(f"batch {done + 1} cannot be had: {_said(error)}") from error


def _run_batch(model: nn.Module, batch: Any, number: int) -> None:  # noqa: ANN401
    arguments: tuple[Any, ...] = ()
    named: dict[str, Any] = {}
    if isinstance(batch, Mapping):
        named = dict(batch)
    elif isinstance(batch, (tuple, list)):
        arguments = tuple(batch)
    elif isinstance(batch, Tensor):
        arguments = (batch,)
    else:
        raise CalibrationError(
            f"batch {number}: a batch must be a tensor, a tuple of arguments or a mapping of keyword arguments, "
            f"got {type(batch).__name__}"
        )
    try:
        inspect.signature(model.forward).bind(*arguments, **named)
    except TypeError as error:
        raise CalibrationError(
            f"batch {number}: the model cannot be called with such a batch: {error}; a tuple is taken as its "
            f"arguments: of a loader of inputs and labels give (x for x, label in loader)"
        ) from error
    try:
        model(*arguments, **named)
    except MemrixError as error:
        raise _of_batch(error, number) from error
    except Exception as error:
        raise CalibrationError(f"batch {number}: {_failure(error, model)}") from error


def _of_batch(error: MemrixError, number: int) -> MemrixError:
    """The same error with the number of the batch."""
    text = f"batch {number}: {error}"
    try:
        return type(error)(text)
    except TypeError:  # a class of somebody else's that takes more than a text
        return CalibrationError(text)


def _failure(error: Exception, model: nn.Module) -> str:
    """Where in a model an error came up, with what, and what may help."""
    names = {id(module): name for name, module in model.named_modules()}
    place, given, module = "", None, None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        owner = frame.f_locals.get("self")
        if id(owner) not in names or not isinstance(owner, nn.Module):
            continue
        if owner is not module:
            place, given, module = names[id(owner)], None, owner
        code = frame.f_code
        if given is None and code.co_argcount > 1 and not code.co_name.startswith("_call"):
            given = frame.f_locals.get(code.co_varnames[1])
    if module is None:
        return f"the model fails: {_said(error)}"
    at = f"layer {place!r} ({type(module).__name__})" if place else f"the model ({type(module).__name__})"
    got = "" if given is None else f", called with {described(given)}"
    return f"{at} fails{got}: {_said(error)}{_advice(module, given)}"


def _said(error: Exception) -> str:
    """The type of an error and the first line of what it says."""
    return ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])


def _advice(module: nn.Module, given: object) -> str:
    """What differs between an input and the weights that it meets."""
    weight = next(module.parameters(recurse=False), None)
    if weight is None or given is None:
        return ""
    if not isinstance(given, Tensor):
        return f"; the layer takes a tensor, got {type(given).__name__}"
    if not is_dense(given):
        return "; give dense tensors: .to_dense(), or torch.nested.to_padded_tensor(x, 0.0)"
    if given.device != weight.device:
        return f"; the layer is on {weight.device}: move the batch with .to({str(weight.device)!r})"
    if given.dtype != weight.dtype and not isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
        return f"; the layer computes in {weight.dtype}: convert the batch with .to({weight.dtype})"
    return ""
