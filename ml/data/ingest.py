"""Stage 1: files → stored pixels and measured rows, one image in memory at a time."""

from collections.abc import Callable, Iterator

from ml.contract.decoding import Pixels
from ml.contract.errors import InputError
from ml.contract.quality import measure, overview_of
from ml.data.appearance import appearance
from ml.data.burned_in import BurnedInText, look_for_text, without_text
from ml.data.deidentify import Deidentifier
from ml.data.delivered import delivered
from ml.data.dicom_header import decode_with_header
from ml.data.image_store import ImageStore
from ml.data.pace import Pace
from ml.data.plan import read_shard
from ml.data.quarantine import Quarantine
from ml.data.quarantine_record import Fault
from ml.data.results import BatchPlan, IncomingImage, ShardResult
from ml.data.sealed import Seal
from ml.data.shards import RejectedFile, read_shard_result, shard_file, write_shard
from ml.data.storage import Place, place
from ml.params import DataParams


def ingest_shard(
    plan: BatchPlan,
    index: int,
    *,
    batch_folder: Place,
    store: ImageStore,
    quarantine: Quarantine,
    params: DataParams,
    pseudonym_key: bytes,
    on_progress: Callable[[int], None] | None = None,
) -> ShardResult:
    """Ingest one shard of a planned batch into `batch_folder/shard-<index>.parquet`.

    Unreadable files go to quarantine and the run goes on. A shard that is already there is not
    ingested again. It appears when all its images are durable, and its rows follow from the plan
    alone, so that repeating what was interrupted gives the same.

    Args:
        pseudonym_key: secret key of patient pseudonyms and of the plan's seal.
        on_progress: called with the number of files after each, and for a shard that is there.
    """
    target = shard_file(batch_folder, index)
    if target.is_file():
        result = read_shard_result(target, index)
        if on_progress is not None:
            on_progress(result.accepted + result.rejected)
        return result
    shard = read_shard(batch_folder, index, Seal(pseudonym_key))
    pace = Pace(f"Shard {index}", len(shard.files))
    rejected: list[RejectedFile] = []
    by = Deidentifier(pseudonym_key)

    def rows() -> Iterator[dict[str, object]]:
        with store.writing() as put:
            for image, read in delivered(place(shard.source), shard.files, params.limits):
                data: bytes | None = None
                try:
                    released = image.quarantined
                    data = quarantine.content(released) if released else read()
                    yield {
                        **_row(data, image, put, _for_file(image, quarantine, params), by),
                        "batch_id": plan.batch_id,
                        "ingested_at": plan.planned_at,
                    }
                except InputError as error:
                    rejected.append(RejectedFile(image.fingerprint, error.code))
                    quarantine.add(
                        image,
                        data,
                        faults=[Fault(code=error.code, reason=error.message)],
                        batch_id=plan.batch_id,
                        at=plan.planned_at,
                    )
                pace.step()
                if on_progress is not None:
                    on_progress(1)

    write_shard(target, rows(), rejected)
    return read_shard_result(target, index)


def _for_file(image: IncomingImage, quarantine: Quarantine, params: DataParams) -> DataParams:
    """The parameters, save that who released a file from quarantine accepted the text in it."""
    if image.quarantined is None:
        return params
    faults = {fault.code for fault in quarantine.find(image.quarantined).faults}
    accepted = {"burned_in": "accept", "text_seen": "warn"}
    return params.model_copy(update=accepted) if BurnedInText.code in faults else params


def _row(
    data: bytes,
    image: IncomingImage,
    put: Callable[[Pixels], str],
    params: DataParams,
    by: Deidentifier,
) -> dict[str, object]:
    decoded, header = decode_with_header(data, params.limits, by, patient=image.patient)
    pixels, masked = without_text(decoded.pixels, header.annotation, params.burned_in)
    text_lines = look_for_text(pixels, image.fingerprint, params)
    overview = overview_of(pixels)
    looks = appearance(pixels, overview)
    return {
        "image_id": put(pixels),
        "label": image.label,
        "patient": image.patient or header.patient,
        "study": image.study or header.study,
        "series": header.series,
        "acquired_on": image.acquired_on or header.acquired_on,
        "site": image.site,
        "scanner": image.scanner or header.scanner,
        "age": image.age if image.age is not None else header.age,
        "sex": image.sex or header.sex,
        "fingerprint": image.fingerprint,
        "media_type": decoded.media_type,
        "bits_stored": decoded.bits_stored,
        "file_bytes": len(data),
        "masked": masked,
        "text_lines": text_lines,
        **measure(pixels, overview).model_dump(),
        "phash": looks.phash,
        "descriptor": looks.descriptor,
    }
