"""A running ComfyUI as a program sees it, over HTTP. Nothing here imports ComfyUI."""

from .client import Client, Graph, GraphError, InterruptedRunError
from .server import Server

__all__ = ["Client", "Graph", "GraphError", "InterruptedRunError", "Server"]
