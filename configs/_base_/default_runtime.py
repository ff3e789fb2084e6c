default_scope = "mmdet"
custom_imports = dict(imports=["retina_plugin"], allow_failed_imports=False)
# So that MMDetection's own tools complete and check this config as ours do.
runner_type = "retina_plugin.Runner"

# bfloat16 where the processor computes in it, channels last, batch norm multiplied in, fused
# steps, COCO's numbers without a file in between; False takes the plain forms.
fast = True

default_hooks = dict(
    runtime_info=dict(type="retina_plugin.LateRuntimeInfoHook"),
    # A loss or gradient that is not finite stops the run; policy="skip" leaves the batch out.
    guard=dict(type="retina_plugin.GuardHook", policy="stop"),
    # SIGTERM and Ctrl-C save a checkpoint first.
    stop=dict(type="retina_plugin.StopHook"),
    short_run=dict(type="retina_plugin.ShortRunHook"),
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=50),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(type="CheckpointHook", interval=1),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    visualization=dict(type="DetVisualizationHook"),
    loaded_weights=dict(type="retina_plugin.LoadedWeightsHook"),
    foreign_weights=dict(type="retina_plugin.ForeignWeightsHook"),
    # Batch statistics that train (init_cfg=None) differ between processes; all evaluate with
    # their mean. Frozen ones are the same already.
    sync_buffers=dict(type="SyncBuffersHook"),
)

env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    dist_cfg=dict(backend="nccl"),
)

vis_backends = [dict(type="LocalVisBackend")]
visualizer = dict(type="DetLocalVisualizer", vis_backends=vis_backends, name="visualizer")

log_level = "INFO"
load_from = None
resume = False
