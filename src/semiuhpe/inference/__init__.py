"""From a photo to the pose of every head in it: onnxruntime, numpy, OpenCV and Pillow; never torch."""
