"""The special tokens' names and ids, and the letter for a space, of our tokenizers and of the published ones.

``[PAD]`` comes last.
"""

UNK_TOKEN, BOS_TOKEN, EOS_TOKEN, PAD_TOKEN = "<unk>", "<s>", "</s>", "[PAD]"
SPACE = "\u2581"  # what SentencePiece writes for a space; the one character that cannot round-trip
UNK_ID, BOS_ID, EOS_ID = 0, 1, 2
