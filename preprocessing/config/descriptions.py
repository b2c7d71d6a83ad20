"""First sentence of each help of ``mko data`` and ``mko tokenizer``, in the third person like every other command's.

The overviews list commands in the imperative (``preprocessing/cli.py``).
"""

STEPS = {
    "run": "Runs every enabled step, in order. Skips finished work.",
    "clean": "Reads the inputs, detects languages, normalizes the text and masks personal data.",
    "lines": "Removes boilerplate lines that recur in many documents (if lines.enabled).",
    "measure": "Measures each document: numbers and MinHash signature, as columns.",
    "score": "Scores quality and perplexity of each document (if score names a model).",
    "decontaminate": "Finds overlap with evaluation sets (if decontaminate names one).",
    "filter": "Drops documents by thresholds over the columns measured. Takes seconds.",
    "deduplicate": "Drops exact and near duplicates over all inputs.",
    "balance": "Writes the corpus: domains, validation split.",
    "train-tokenizer": "Trains a tokenizer on the corpus and proves that all readers agree.",
    "encode": "Writes token files (.bin, .idx), shares, stages and the manifest.",
    "validate": "Checks that the token files contain the text of the corpus.",
}
DATA_COMMANDS = {
    "explain": "Explains why a document was dropped, or what another threshold would change.",
    "calibrate": "Derives thresholds from text you trust.",
    "report": "Writes an HTML page about the data.",
    "diff": "Writes an HTML page of documents before and after, changes colored by rule.",
    "train-quality": "Trains the quality models of section score, in rounds over the corpus.",
    "manifest": "Writes the manifest of token files that exist, also of Megatron-LM.",
    "tokens": "Encodes text; merges, splits, shuffles and checks token files.",
}
TOKENIZER_COMMANDS = {
    "report": "Measures and compares tokenizers on text.",
    "extend": "Adds Korean tokens to a tokenizer: EEVE's selection in rounds.",
    "hybrid": "Merges a Korean SentencePiece model, cleaned by rule, with a base tokenizer.",
    "prune": "Drops tokens that a text never uses, and writes the map of ids.",
    "bias-sample": "Selects documents rich in new tokens, as Parquet.",
}
