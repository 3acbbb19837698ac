"""Recordings in; frames, acoustic units and phone-like segments out.

    python -m wavu.prepare_audio audio_dir=recordings out_dir=runs/audio
    python -m wavu.prepare_audio audio_dir=recordings out_dir=runs/audio encoder=wav2vec2_large_lv60 segment=ward
    python -m wavu.prepare_audio manifest=list.tsv out_dir=runs/audio encoder=models/my_hubert encoder.layer=9 targets.clusters=64
    python -m wavu.prepare_audio audio_dir=s3://bucket/recordings out_dir=runs/audio executor=slurm executor.jobs=20

What is not speech is cut out, a frozen encoder gives one frame per 20 ms, k-means and PCA are fitted to a sample of the frames, and
frames are pooled to segments. Every recording is encoded once, shard by shard: killed in the middle, the same command goes on where
it stopped. Given again when it has finished, it verifies what is there, makes what is damaged anew, and adds recordings that came
since. Files that are of no use are listed in skipped.tsv with the reason. encoder= is one of the choices below, the folder of a
Hugging Face model, or its name on the hub. targets.clusters= adds the cluster of the MFCC beside each frame, which the generator of
wav2vec-U 2.0 also learns to guess. executor= says where shards are worked on; the result is the same.
"""

from wavu.command import command
from wavu.settings.audio import PrepareAudio
from wavu.stages.audio import prepare_audio

main = command("prepare_audio", PrepareAudio, prepare_audio, __doc__, open_groups=("encoder",))

if __name__ == "__main__":
    main()
