"""An error is completed on its way up, and stays the same object."""

import pytest

from f5_worker.errors import PackageMissingError, WorkerError


def _completed_on_the_way(error: WorkerError) -> None:
    try:
        raise error
    except WorkerError as passing:
        passing.because("Model not available: ").advise("Or wait.").with_details(package="another", field="text")
        raise


def test_what_is_added_on_the_way_up_reaches_the_answer_of_the_same_error() -> None:
    error = PackageMissingError("torch is missing.", package="torch")
    with pytest.raises(PackageMissingError) as caught:
        _completed_on_the_way(error)
    assert caught.value is error
    assert str(error) == "Model not available: torch is missing. Or wait."
    assert error.answer() == {
        "error": str(error),
        "error_type": "PackageMissingError",
        "package": "torch",
        "field": "text",
    }


def test_a_copy_says_the_same_and_shares_no_traceback() -> None:
    with pytest.raises(WorkerError) as caught:
        raise PackageMissingError("torch is missing.", package="torch").because("Model not available: ")
    copy = caught.value.again()
    assert copy is not caught.value
    assert type(copy) is PackageMissingError
    assert copy.answer() == caught.value.answer()
    assert copy.__traceback__ is None
    copy.with_details(field="text")
    assert "field" not in caught.value.details
