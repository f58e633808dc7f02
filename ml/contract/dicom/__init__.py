"""DICOM → pixels: the file, one frame of it, and how its values become grey or colour."""
