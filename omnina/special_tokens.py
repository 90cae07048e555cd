"""The special tokens' names and ids: of our tokenizers and of the published ones. ``[PAD]`` comes last."""

UNK_TOKEN, BOS_TOKEN, EOS_TOKEN, PAD_TOKEN = "<unk>", "<s>", "</s>", "[PAD]"
UNK_ID, BOS_ID, EOS_ID = 0, 1, 2
