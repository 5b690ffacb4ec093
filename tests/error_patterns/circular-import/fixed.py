import sys
import tempfile
from pathlib import Path

with tempfile.TemporaryDirectory() as folder:
    Path(folder, "shop_a.py").write_text("from shop_c import price\nname = 'a'\n")
    Path(folder, "shop_c.py").write_text("price = 1\n")
    sys.path.insert(0, folder)
    import shop_a

    print(shop_a.price)
