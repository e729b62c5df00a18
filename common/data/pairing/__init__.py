"""Pairs of images, for translation: in pictures of both, in two folders, or made of single images."""
