"""Layers to files that painting programs open."""

from __future__ import annotations

from functools import partial
from pathlib import Path, PurePath

from comfy_api.latest import io, ui

from ..mild_core.compose import compose, rasters
from ..mild_core.compose.exclusive import save_new
from ..mild_core.compose.naming import file_name
from ..mild_core.compose.openraster import write_openraster
from ..mild_core.compose.pixels import Depth
from ..mild_core.compose.png_folder import write_png_folder
from ..mild_core.compose.psd import psd_suffix, write_psd
from . import host
from .types import LayersSocket, schema

__all__ = ["SaveLayers"]

WRITERS = {"psd": write_psd, "openraster": write_openraster, "png folder": write_png_folder}
DEPTHS: dict[str, Depth] = {"8 bit": 8, "16 bit": 16}


class SaveLayers(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="MILDSaveLayers",
            display_name="MILD Save Layers",
            description="Saves the layers, each with its name, place, opacity and blend mode, to a file that painting programs open.",
            search_aliases=["psd", "photoshop", "openraster", "ora", "krita", "gimp", "export layers"],
            is_output_node=True,
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            inputs=[
                LayersSocket.Input("layers", tooltip="From MILD Compose Layers, as composed there; or from MILD Decode Layers, as cut."),
                io.String.Input(
                    "filename_prefix",
                    default="mild/layers",
                    tooltip="Folder and name inside the output folder, as in Save Image: %year%, %date:yyyy-MM-dd% and the like are filled "
                    "in. A number is added; nothing is ever overwritten.",
                ),
                io.Combo.Input(
                    "format",
                    options=list(WRITERS),
                    default="psd",
                    tooltip="psd: Photoshop, Affinity Photo, Photopea, GIMP, Krita. openraster: Krita, GIMP, MyPaint. "
                    "png folder: a PNG for each layer, and layers.json, for scripts.",
                ),
                io.Combo.Input(
                    "depth",
                    options=list(DEPTHS),
                    default="8 bit",
                    tooltip="Bits for each colour. 16 bit keeps what is painted without steps; the file is two to three times as large.",
                ),
            ],
            outputs=[io.String.Output(display_name="path", tooltip="What was saved: a path inside the output folder.")],
        )

    @classmethod
    def execute(cls, layers, filename_prefix, format, depth) -> io.NodeOutput:
        size, bits, stack = layers.scene.size, DEPTHS[depth], rasters(layers)
        suffix = {"psd": psd_suffix(stack, size, bits), "openraster": ".ora", "png folder": ""}[format]
        place = host.output_place(filename_prefix, size)
        stem = file_name(place.stem, "layers")
        picture = compose(layers).image
        with host.progress(len(stack) + 1) as report:  # the one more is for the merged picture and the disk
            report(0)
            write = partial(
                WRITERS[format], rasters=stack, size=size, picture=picture, depth=bits, text=host.workflow_text(cls), on_layer=report
            )
            made = save_new(place.folder, lambda number: f"{stem}_{number:05}_{suffix}", place.number, write)
            report(len(stack) + 1)
        return io.NodeOutput(_inside(place.subfolder, made), ui=_shown(cls, picture, place.subfolder, made))


def _inside(subfolder: str, made: Path) -> str:
    """The path seen from the output folder, with the same slashes on every system."""
    return PurePath(subfolder, made.name).as_posix()


def _shown(node: type[io.ComfyNode], picture, subfolder: str, made: Path) -> dict:
    """What the node shows: the picture, since no browser shows the files; what was saved, and where."""
    preview = ui.PreviewImage(picture[None], cls=node).as_dict()
    saved = {"filename": made.name, "subfolder": subfolder, "type": "output"}
    return {**preview, "mild_files": [saved], **ui.PreviewText(_inside(subfolder, made)).as_dict()}
