"""GFF text for tests, with the sequences that it is for."""

#                  1   5   9   13
FASTA = ">c1 contig one\naaccggtt\nacgun\n>c2\nGGGGCCCC\n"
TYPES = ("CDS", "tRNA", "gene")


def row(seqid, kind, start, end, strand, attributes, phase=".") -> str:
    return "\t".join([seqid, "x", kind, str(start), str(end), ".", strand, str(phase), attributes]) + "\n"
