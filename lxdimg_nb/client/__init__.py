"""The image client: one server's images, read and changed over its REST API."""

from lxdimg_nb.client.client import Client
from lxdimg_nb.client.connecting import connect
from lxdimg_nb.client.enrolling import enroll
from lxdimg_nb.client.files.metadata.image_metadata import image_metadata
from lxdimg_nb.client.image import Image
from lxdimg_nb.client.images import Images

__all__ = ["Client", "Image", "Images", "connect", "enroll", "image_metadata"]
