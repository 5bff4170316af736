"""The nodes of the pack, in the order in which a graph uses them."""

from comfy_api.latest import ComfyExtension, io

from .attention import AttentionGap, AttentionReport, ModulateAttention, Regions
from .batch import JoinLayers, PartLayers, PhotoBatch
from .compare import BeforeAfter
from .compose import ComposeLayers, DecodeLayers
from .control import CropImage, LayerControl, LayerLora, PersonPrompt
from .effects import FindEffects
from .files import SaveLayers
from .fill import FillHoles
from .models import MiniModel
from .morphology import GuidanceMaps, Morphology
from .networks import FindParsing, FindPoses
from .omni_eraser import OmniEraser
from .panoptic import BackgroundPrompt, FindPanoptic, PanopticRegions
from .plan import EncodeLayers
from .scene import SplitPeople
from .smart_eraser import EnhanceMask, SmartEraser, SmartEraserPrompt
from .task_prompts import PixelHackerPrompt, PowerPaintPrompt

__all__ = ["NODES", "MILDExtension"]

NODES: list[type[io.ComfyNode]] = [
    MiniModel,
    PhotoBatch,
    FindPanoptic,
    SplitPeople,
    FindEffects,
    FindPoses,
    FindParsing,
    Morphology,
    BackgroundPrompt,
    FillHoles,
    EncodeLayers,
    JoinLayers,
    GuidanceMaps,
    PanopticRegions,
    ModulateAttention,
    PartLayers,
    DecodeLayers,
    ComposeLayers,
    SaveLayers,
    BeforeAfter,
    LayerControl,
    LayerLora,
    PersonPrompt,
    CropImage,
    AttentionGap,
    AttentionReport,
    Regions,
    SmartEraser,
    SmartEraserPrompt,
    OmniEraser,
    PowerPaintPrompt,
    PixelHackerPrompt,
    EnhanceMask,
]


class MILDExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return NODES
