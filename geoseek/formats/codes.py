"""Why a row cannot be read from, or written to, a file of another tool."""

from __future__ import annotations

from geoseek.schemas import DescribedCode


class FormatRejectReason(DescribedCode):
    """Why a row did not come through. `read = kept + rejected` holds for every file."""

    BROKEN_JSON = "broken_json", "the text of the row is not JSON"
    TRUNCATED_FILE = "truncated_file", "the file ends, or breaks, in the middle of a row; nothing after it can be read"
    NOT_A_ROW = "not_a_row", "a list, a text or a number stands where an object with named fields is needed"
    MISSING_FIELD = "missing_field", "a field that the format needs is absent or empty"
    WRONG_TYPE = "wrong_type", "a field holds another kind of value than the format says"
    OUT_OF_RANGE = "out_of_range", "a number lies outside of what is possible"
    MISSING_IMAGE = "missing_image", "the picture that the row names is not there"
    UNSAFE_PATH = "unsafe_path", "the picture's path leads out of the folder of the data"
    UNREADABLE_IMAGE = "unreadable_image", "the picture is not an image that can be decoded"
    NO_IMAGE = "no_image", "the row has neither a picture nor its address"
    NO_CHAIN = "no_chain", "the row has no chain of thought"
    NO_ANSWER = "no_answer", "the row does not say where the picture was taken"
    NO_POSITION = "no_position", "the row has no coordinates"
    NO_PREDICTION = "no_prediction", "predictions were given, and none for this row"
    ONLY_ADDRESS = "only_address", "the picture is published by reference: its address is there, its pixels are not"
    NO_CONVERSATION = "no_conversation", "question and answer do not take turns, or pictures and their marks do not fit"


class RowFault(Exception):  # noqa: N818 - it ends a row, not a run, and becomes a FormatReject
    """One row cannot be used; the others can.

    Args:
        reason: Code.
        detail: What exactly was wrong.
    """

    def __init__(self, reason: FormatRejectReason, detail: str | None = None) -> None:
        super().__init__(f"{reason.value}: {detail or reason.description}")
        self.reason = reason
        self.detail = detail
