import sys
import tempfile
from pathlib import Path

with tempfile.TemporaryDirectory() as folder:
    Path(folder, "shop_a.py").write_text("from shop_b import price\nname = 'a'\n")
    Path(folder, "shop_b.py").write_text("from shop_a import name\nprice = 1\n")
    sys.path.insert(0, folder)
    import shop_a
