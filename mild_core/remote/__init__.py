"""A running ComfyUI as a program sees it, over HTTP, and the graphs it is given. Nothing here imports ComfyUI."""

from .client import Client, Graph, GraphError, InterruptedRunError
from .host import GoneError, Host
from .server import Server

__all__ = ["Client", "GoneError", "Graph", "GraphError", "Host", "InterruptedRunError", "Server"]
