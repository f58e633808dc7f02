import io

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.fakes.tiny_bundle import tiny_pixels
from tests.serving.hostile_files import HOSTILE
from tests.serving.images import (
    encoded,
    interlaced_png,
    png,
)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bytes_get_a_problem_that_says_what_to_do(shared_client, name):
    data, status = HOSTILE[name]
    answer = shared_client.post("/predict", files={"file": ("x.png", data, "image/png")})
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["type"].startswith("urn:vigie:problem:")
    assert problem["detail"].endswith(".")
    assert problem["remedy"]
    assert problem["request_id"] == answer.headers["X-Request-ID"]


@pytest.mark.parametrize("mode", ["1", "LA", "RGBA", "P", "I;16", "CMYK"])
def test_unusual_colour_modes_are_answered(shared_client, mode):
    grey = Image.fromarray(tiny_pixels(200))
    image = Image.fromarray(tiny_pixels(200).astype("uint16") * 256) if mode == "I;16" else None
    data = encoded(image or grey.convert(mode), "JPEG" if mode == "CMYK" else "PNG")
    assert shared_client.post("/predict", files={"file": data}).status_code == 200


@pytest.mark.parametrize("tail", [b"<script>alert(1)</script>", b"PK\x05\x06" + bytes(18)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_an_image_followed_by_something_else_is_only_an_image(shared_client, kind, tail):
    image = encoded(Image.fromarray(tiny_pixels()), kind)
    answers = [
        shared_client.post("/predict", files={"file": data}).json()
        for data in (image, image + tail)
    ]
    assert answers[0]["probabilities"] == answers[1]["probabilities"]


def test_text_inside_an_image_comes_back_nowhere(shared_client):
    notes = PngInfo()
    notes.add_text("Comment", "<script>alert('Nobody^Real')</script>")
    data = encoded(Image.fromarray(tiny_pixels()), pnginfo=notes)
    answer = shared_client.post("/predict?explain=true", files={"file": data})
    assert answer.status_code == 200
    assert "script" not in answer.text


def test_an_interlaced_image_is_answered_like_a_plain_one(shared_client):
    plain = encoded(Image.fromarray(tiny_pixels()))
    answers = [
        shared_client.post("/predict", files={"file": data}).json()
        for data in (interlaced_png(), plain)
    ]
    assert answers[0]["probabilities"] == answers[1]["probabilities"]


@pytest.mark.parametrize("kind", ["text/html", "application/x-msdownload", "image/jpeg", "?"])
def test_the_declared_type_does_not_matter(shared_client, kind):
    answer = shared_client.post("/predict", files={"file": ("x", png(), kind)})
    assert answer.status_code == 200


@pytest.mark.parametrize("name", ["ультразвук.png", "../../etc/passwd", "a" * 3000, '"; x="'])
def test_file_names_do_not_matter(shared_client, name):
    assert shared_client.post("/predict", files={"file": (name, png())}).status_code == 200


def test_a_body_that_declares_too_many_bytes_is_refused(start_app):
    client = start_app(max_bytes=100_000)
    answer = client.post("/predict", files={"file": b"x" * 300_000})
    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:vigie:problem:body-too-large"
    assert answer.headers["Connection"] == "close"


def test_a_chunked_body_is_counted_while_it_arrives(start_app):
    client = start_app(max_bytes=100_000)
    taken = 0

    def endless():
        nonlocal taken
        yield b'--B\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
        for _ in range(300):
            taken += 1
            yield b"x" * 1000
        yield b"\r\n--B--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    answer = client.post("/predict", content=endless(), headers=headers)
    assert answer.status_code == 413
    assert "Content-Length" not in answer.request.headers


def test_a_file_over_the_limit_inside_a_body_within_it_is_refused(start_app):
    client = start_app(max_bytes=100_000)
    answer = client.post("/predict", files={"file": b"x" * 110_000})
    assert (answer.status_code, answer.json()["title"]) == (413, "The image is too large")


def test_a_batch_with_too_many_files_is_refused(start_app):
    client = start_app(max_batch_files=3)
    answer = client.post("/batch_predict", files=[("files", b"x")] * 4)
    assert answer.status_code == 400
    assert "3" in answer.json()["detail"]


def test_ten_thousand_parts_are_refused(shared_client):
    answer = shared_client.post("/batch_predict", files=[("files", b"x")] * 10_000)
    assert answer.status_code in (400, 413)


def test_a_repeated_field_is_refused_rather_than_half_ignored(shared_client):
    answer = shared_client.post("/predict", files=[("file", png()), ("file", png(255))])
    assert (answer.status_code, answer.json()["field"]) == (422, "file")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "multipart/form-data"),
        (b"garbage", "multipart/form-data; boundary=B"),
        (b"--B\r\n\r\nno disposition\r\n--B--", "multipart/form-data; boundary=B"),
        (b"--B\r\nContent-Disposition: form-data; name=file", "multipart/form-data; boundary=B"),
        (b"--B", "multipart/form-data; boundary=" + 10_000 * "B"),
        (b"--B", "multipart/form-data; boundary="),
        (b"--B", 'multipart/form-data; boundary="\xe9"'),
        (b"file=hello", "application/x-www-form-urlencoded"),
        (b'{"file": "hello"}', "application/json"),
    ],
)
def test_a_malformed_form_is_the_clients_fault(shared_client, body, kind):
    answer = shared_client.post(
        "/predict", content=body, headers={"Content-Type": kind.encode("latin-1")}
    )
    assert answer.status_code in (400, 422)
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("site", ["x" * 201, "a\nb", "a\0b"])
def test_an_origin_that_is_no_plain_name_is_refused(shared_client, site):
    answer = shared_client.post("/predict", files={"file": png()}, data={"site": site})
    assert (answer.status_code, answer.json()["field"]) == (422, "site")


def test_a_huge_text_field_is_refused(shared_client):
    answer = shared_client.post("/predict", files={"file": png()}, data={"site": "x" * 50_000})
    assert answer.status_code == 400


def test_a_query_that_is_no_flag_is_refused(shared_client):
    answer = shared_client.post("/predict?explain=perhaps", files={"file": png()})
    assert (answer.status_code, answer.json()["field"]) == (422, "explain")


def test_the_server_answers_after_all_that(shared_client):
    for data, _ in HOSTILE.values():
        shared_client.post("/predict", files={"file": io.BytesIO(data)})
    assert shared_client.post("/predict", files={"file": png()}).status_code == 200
