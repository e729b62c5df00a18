"""Files of arrays, .npz, .npy and .mat: which are images and which labels, and their values as 8 bits."""
