"""Files for which Pillow, left to itself, would start a program, or that are like them."""

from tests.conftest import made_up_image
from tests.data.decoding import encoders as e

EPS = e.saved(made_up_image(0, (20, 20)), "EPS")
IN_IPTC = e.in_iptc(EPS)

DRAWINGS = {
    "EPS": EPS,
    "EPS of DOS": b"\xc5\xd0\xd3\xc6" + (30).to_bytes(4, "little") + len(EPS).to_bytes(4, "little") + bytes(18) + EPS,
    "EPS after a line": b"\n" + EPS,
    "EPS in IPTC": IN_IPTC,
    "PDF": b"%PDF-1.7\n" + EPS,
    "PostScript": b"%!PS-Adobe-3.0\n/Times findfont\nshowpage\n",
    "EPS in TIFF's clothes": b"II*\0" + EPS,
    "ICNS": b"icns" + (16 + len(EPS)).to_bytes(4, "big") + b"ic08" + (8 + len(EPS)).to_bytes(4, "big") + EPS,
    "WMF": b"\xd7\xcd\xc6\x9a" + bytes(40),
    "EMF": b"\1\0\0\0" + bytes(36) + b" EMF" + bytes(60),
    "FITS": b"SIMPLE  =                    T" + b" " * 3000,
}
