"""A module that does things while it is imported."""

import os
import sys

os.environ["AT_IMPORT"] = "yes"
sys.path.insert(0, "/tmp/plugins")
os.makedirs("/tmp/plugins", exist_ok=True)
with open("/tmp/plugins/grown.py", "w") as file:
    file.write("HERE = __file__\n")

import grown


def test_effects():
    assert os.environ["AT_IMPORT"] == "yes"
    assert grown.HERE == "/tmp/plugins/grown.py"


def test_file_names():
    assert __file__ == "/tree/test_import_effects.py"
    assert __name__ == "test_import_effects"
    assert sys.modules[__name__].__spec__.origin == __file__


if "nobody" in os.environ:
    raise RuntimeError
