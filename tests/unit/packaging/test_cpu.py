import os
import re

from ml.packaging.cpu import cpu_features, cpu_model, saturates_int8


def test_the_cpu_has_a_name():
    assert cpu_model()


def test_features_are_plain_words_that_the_kernel_reports():
    assert all(re.fullmatch(r"[a-z0-9_]+", name) for name in cpu_features())


def test_a_cpu_with_vnni_needs_no_reduced_range():
    if any("vnni" in name for name in cpu_features()) or os.uname().machine == "aarch64":
        assert not saturates_int8()
    else:
        assert saturates_int8()
