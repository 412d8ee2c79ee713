"""Hostile files, made rather than kept: `python fuzz/corpus.py FOLDER` writes them. Tests and fuzzing begin from them."""

from __future__ import annotations

import gzip
import io
import json
import struct
import sys
import zlib
from pathlib import Path

import av
import numpy as np
from bombs import bombs
from PIL import Image


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, data: bytes = b"", *, depth: int = 8, kind: int = 2, extra: bytes = b"") -> bytes:
    """A PNG that says what it is told to, with `data` as its compressed pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + extra + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _saved(kind: str, mode: str = "RGB", size: tuple[int, int] = (24, 16), **options: object) -> bytes:
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).convert(mode)
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _tiff(entries: list[tuple[int, int, int, int]], loops: bool = False) -> bytes:
    body = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\x00" + struct.pack("<I", 8) + body + struct.pack("<I", 8 if loops else 0)


def _pictures() -> dict[str, bytes]:
    rows = zlib.compress(b"\x00" * (1 + 3 * 8) * 4)
    bomb_pixels = zlib.compress(b"\x00" * 10_000_000, 9)
    jpeg, gif, webp = _saved("JPEG"), _saved("GIF"), _saved("WEBP")
    exif = b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff" + b"\x12\x01\x03\x00\xff\xff\xff\xff\xff\xff\xff\xff" * 20
    size_bytes = jpeg.index(b"\xff\xc0") + 5
    return {
        "png_huge_header": png(2**31 - 1, 2**31 - 1),
        "png_bomb": png(30_000, 30_000, bomb_pixels),
        "png_zero_width": png(0, 10),
        "png_no_data": png(8, 4),
        "png_short_data": png(8, 400, rows),
        "png_too_much_data": png(8, 4, zlib.compress(b"\x00" * 5_000_000)),
        "png_bad_depth": png(8, 4, rows, depth=3),
        "png_bad_kind": png(8, 4, rows, kind=5),
        "png_palette_without_palette": png(8, 4, rows, kind=3),
        "png_text_bomb": png(8, 4, rows, extra=_chunk(b"zTXt", b"a\x00\x00" + bomb_pixels)),
        "png_profile_bomb": png(8, 4, rows, extra=_chunk(b"iCCP", b"a\x00\x00" + bomb_pixels)),
        "png_bad_checksum": png(8, 4, rows)[:-20] + b"\x00" * 8 + png(8, 4, rows)[-12:],
        "png_endless_chunk": png(8, 4, rows)[:33] + struct.pack(">I", 2**31 - 1) + b"IDAT" + rows,
        "png_animated_lie": png(8, 4, rows, extra=_chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))),
        "jpeg_truncated": jpeg[: len(jpeg) // 2],
        "jpeg_header_only": jpeg[:200],
        "jpeg_huge": jpeg[:size_bytes] + b"\xff\xff\xff\xff" + jpeg[size_bytes + 4 :],
        "jpeg_zero": jpeg[:size_bytes] + b"\x00\x00\x00\x00" + jpeg[size_bytes + 4 :],
        "jpeg_hostile_exif": jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:],
        "jpeg_segment_past_the_end": jpeg[:2] + b"\xff\xe2\xff\xff" + jpeg[2:60],
        "jpeg_twice": jpeg + jpeg,
        "jpeg_then_zip": jpeg + b"PK\x03\x04" + b"\x00" * 100,
        "gif_truncated": gif[:30],
        "gif_huge_screen": gif[:6] + b"\xff\xff\xff\xff" + gif[10:],
        "webp_truncated": webp[: len(webp) // 2],
        "webp_wrong_size": webp[:4] + b"\xff\xff\xff\x7f" + webp[8:],
        "bmp_negative": _saved("BMP")[:18] + struct.pack("<ii", -5, -(2**31)) + _saved("BMP")[26:],
        "bmp_huge": _saved("BMP")[:18] + struct.pack("<ii", 2**31 - 1, 2**31 - 1) + _saved("BMP")[26:],
        "tiff_loop": _tiff([(256, 4, 1, 8), (257, 4, 1, 8)], loops=True),
        "tiff_huge": _tiff([(256, 4, 1, 2**31), (257, 4, 1, 2**31), (258, 3, 1, 8), (273, 4, 1, 8), (279, 4, 1, 8)]),
        "tiff_outside": _tiff([(256, 4, 1, 8), (257, 4, 1, 8), (273, 4, 2**30, 2**31)]),
        "ppm_huge": b"P6 99999999 99999999 255\n" + b"\x00" * 50,
        "ppm_negative": b"P6 -4 4 255\n" + b"\x00" * 50,
        "ppm_wide_number": b"P6 " + b"9" * 5000 + b" 4 255\n",
        "jp2_header_only": b"\x00\x00\x00\x0cjP  \r\n\x87\n" + b"\x00" * 60,
        "avif_header_only": b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1miaf" + b"\xff" * 60,
        "ico_points_outside": b"\x00\x00\x01\x00\x01\x00\x10\x10\x00\x00\x01\x00\x20\x00\xff\xff\xff\x7f\xff\xff\xff\x7f",
        "eps_script": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n%%EOF\n",
        "svg_entity": b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>',
    }


def _video(kind: str, codec: str, frames: int = 3, size: tuple[int, int] = (32, 16)) -> bytes:
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=kind, options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(codec, rate=25)
        if not isinstance(stream, av.VideoStream):
            raise TypeError(f"{codec} is no codec of videos")
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for _ in range(frames):
            picture = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=stream.pix_fmt)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def _replaced(content: bytes, mark: bytes, offset: int, new: bytes) -> bytes:
    at = content.index(mark) + offset
    return content[:at] + new + content[at + len(new) :]


def _videos() -> dict[str, bytes]:
    mp4, mkv, avi = _video("mp4", "mpeg4"), _video("matroska", "mpeg4"), _video("avi", "mjpeg")
    return {
        "mp4_good": mp4,
        "mp4_truncated": mp4[: len(mp4) // 2],
        "mp4_only_samples": mp4[: mp4.index(b"moov") - 4],
        "mp4_huge_frame": _replaced(mp4, b"mp4v", 4 + 24, struct.pack(">HH", 65535, 65535)),
        "mp4_unknown_codec": mp4.replace(b"mp4v", b"zzzz"),
        "mkv_unknown_codec": mkv.replace(b"V_MPEG4/ISO/ASP", b"V_MPEG9/ISO/ASP"),
        "mp4_no_frame": _replaced(mp4, b"mp4v", 4 + 24, struct.pack(">HH", 0, 0)),
        "mp4_many_samples": _replaced(mp4, b"stsz", 12, struct.pack(">I", 2**32 - 1)),
        "mp4_far_chunks": _replaced(mp4, b"stco", 12, struct.pack(">I", 2**32 - 1)),
        "mp4_no_clock": _replaced(mp4, b"mdhd", 16, struct.pack(">I", 0)),
        "mp4_endless_box": _replaced(mp4, b"moov", -4, struct.pack(">I", 2**32 - 1)),
        "mp4_hostile_matrix": _replaced(mp4, b"tkhd", 4 + 40, b"\xff" * 36),
        "mkv_good": mkv,
        "mkv_truncated": mkv[: len(mkv) * 2 // 3],
        "mkv_endless": mkv[:40] + b"\x01" + b"\xff" * 7 + mkv[48:],
        "avi_good": avi,
        "avi_huge_frame": _replaced(avi, b"strf", 12, struct.pack("<ii", 2**31 - 1, 2**31 - 1)),
        "avi_header_only": avi[:200],
        "ts_zeros": (b"\x47" + b"\x00" * 187) * 20,
        "flv_lies": b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00\x09\xff\xff\xff" + b"\x00" * 60,
        "y4m_huge": b"YUV4MPEG2 W99999 H99999 F25:1 Ip C420\nFRAME\n" + b"\x00" * 64,
        "playlist_concat": b"ffconcat version 1.0\nfile '/etc/passwd'\nfile 'a.mp4'\n",
        "playlist_hls": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXTINF:1,\na.mp4\n",
        "playlist_sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
    }


def _tables() -> dict[str, bytes]:
    box = {"a.jpg": [[0, 0, 10, 10]]}
    return {
        "json_deep": b"[" * 100_000 + b"]" * 100_000,
        "json_deep_object": b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
        "json_nan": b'{"a.jpg": [[NaN, 0, Infinity, 10]]}',
        "json_huge_number": b'{"a.jpg": [[0, 0, 1e999, 1' + b"0" * 5000 + b"]]}",
        "json_wrong_types": json.dumps({"a.jpg": {"box": "x"}, "b": None, "c": [["1", [], {}, 4]]}).encode(),
        "json_not_utf8": b'{"\xff\xfe.jpg": [[0, 0, 1, 1]]}',
        "json_utf16": json.dumps(box).encode("utf-16"),
        "json_surrogate": b'{"\\ud800.jpg": [[0, 0, 1, 1]]}',
        "json_zero_byte_name": b'{"a\\u0000.jpg": [[0, 0, 1, 1]]}',
        "json_good": json.dumps(box).encode(),
        "json_heads": b'[{"rotation": [[1, 0, 0], [0, 1, 0], [0, 0, NaN]], "box": [0, 0, 1, 1]}]',
        "json_record": json.dumps(
            {
                "id": "a",
                "source": "s",
                "split": "train",
                "subject": "",
                "box": [0, 0, 1, "x"],
                "rotation": [1] * 9,
                "extras": [],
            }
        ).encode(),
        "csv_huge_field": b"file,x1,y1,x2,y2\n" + b"a" * 300_000 + b",0,0,1,1\n",
        "csv_zero_bytes": b"file,x1,y1,x2,y2\na\x00.jpg,0,0,1,1\n\x00\x00\n",
        "csv_open_quote": b'file,x1,y1,x2,y2\n"a.jpg,0,0,1,1\n',
        "csv_formula": b"file,x1,y1,x2,y2\n=cmd|' /C calc'!A0,0,0,nan,inf\n",
        "csv_no_columns": b"a;b;c\n1;2;3\n",
        "txt_traversal": b"../../../../etc/passwd\n/dev/zero\n**/**/**/*\n[\n\x00\n",
    }


def _labels() -> dict[str, bytes]:
    mat = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    return {
        "mat_header_only": mat,
        "mat_huge_element": mat + struct.pack("<II", 14, 2**32 - 1) + b"\x00" * 40,
        "mat_bomb": mat
        + struct.pack("<II", 15, len(zlib.compress(b"\x00" * 1_000_000)))
        + zlib.compress(b"\x00" * 1_000_000),
        "mat_7_3": b"MATLAB 7.3 MAT-file".ljust(512, b"\x00"),
        "pts_no_brace": b"version: 1\nn_points: 68\n{\n1 2\n3 4\n",
        "pts_not_numbers": b"version: 1\nn_points: 2\n{\n1 x\nnan inf\n}\n",
        "obj_far_index": b"v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nf 1/1 2/1 99999999999999999999/1\n",
        "obj_negative_index": b"v 0 0 0\nvt 0 0\nf -1/-1 -2/-1 -9/-1\n",
        "obj_not_numbers": b"v nan inf 1e999\nvt x y\nf a b c\n",
        "mhclo_lies": b"name a\nobj_file ../../../../etc/passwd\nverts 0\n999999 1 2 0.3 0.3 0.4 0 0 0\n-1\n",
        "mhmat_traversal": b"diffuseTexture ../../../../../etc/passwd\n",
        "target_far_index": b"99999999999999999999 0 0 0\n-5 1 1 1\nx 1 1 1\n",
        "target_bomb.gz": gzip.compress(b"1 0 0 0\n" * 500_000, mtime=0),
        "target_broken.gz": gzip.compress(b"1 0 0 0\n" * 50, mtime=0)[:-9],
    }


def hostile_files() -> dict[str, bytes]:
    """All of them by name; the same bytes at each call. None is larger than 4 MB."""
    plain = {
        "empty": b"",
        "one_byte": b"\xff",
        "zeros": b"\x00" * 4096,
        "noise": np.random.default_rng(0).bytes(4096),
        "elf": b"\x7fELF" + b"\x02" * 200,
    }
    return plain | _pictures() | _videos() | _tables() | _labels() | bombs()


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    for name, content in hostile_files().items():
        (target / name).write_bytes(content)
