"""MILD: erase chosen people from a photograph that holds several, and get every layer back."""

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    """What ComfyUI calls to learn the pack's nodes."""
    from .nodes import MILDExtension

    return MILDExtension()


__all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]
