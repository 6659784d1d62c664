//! A device, and the pipeline that a shader's text makes on it.

use std::sync::mpsc;

use wgpu::util::{BufferInitDescriptor, DeviceExt as _};

/// Something that runs compute shaders: a GPU, or a driver that does the same on the CPU.
pub struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    /// What it is, for people.
    pub name: String,
}

/// A shader, compiled.
pub struct Pipeline(wgpu::ComputePipeline);

/// What the shader is told about the picture; `Picture` in `shaders/heat.wgsl`.
pub struct Picture {
    pub columns: u32,
    pub rows: u32,
    pub scale: u32,
    pub peak: f32,
}

impl Picture {
    pub fn width(&self) -> u32 {
        self.columns * self.scale
    }

    pub fn height(&self) -> u32 {
        self.rows * self.scale
    }
}

impl Gpu {
    /// The first device that there is.
    pub async fn open() -> anyhow::Result<Gpu> {
        let instance =
            wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
        let adapter = instance.request_adapter(&wgpu::RequestAdapterOptions::default()).await?;
        let limits = wgpu::Limits::downlevel_defaults().using_resolution(adapter.limits());
        let wanted = wgpu::DeviceDescriptor { required_limits: limits, ..Default::default() };
        let (device, queue) = adapter.request_device(&wanted).await?;
        let info = adapter.get_info();
        let name = format!("{} ({:?}, {})", info.name, info.device_type, info.backend);
        Ok(Gpu { device, queue, name })
    }

    /// Compiles a shader. One that naga accepts may still be more than this device can do: that is an error, not a panic.
    pub fn compile(&self, text: &str) -> Result<Pipeline, String> {
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("heat"),
            source: wgpu::ShaderSource::Wgsl(text.into()),
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some("heat"),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: Default::default(),
            cache: None,
        });
        refused(scope).map(|()| Pipeline(pipeline))
    }

    /// Draws; gives the pixels, four bytes each, row by row from the top.
    pub fn draw(
        &self,
        pipeline: &Pipeline,
        picture: &Picture,
        depth: &[f32],
    ) -> Result<Vec<u8>, String> {
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let bytes = u64::from(picture.width()) * u64::from(picture.height()) * 4;
        let uniform: Vec<u8> = [picture.columns, picture.rows, picture.scale]
            .into_iter()
            .chain([picture.peak.to_bits()])
            .flat_map(u32::to_ne_bytes)
            .collect();
        let depth: Vec<u8> = depth.iter().flat_map(|heat| heat.to_ne_bytes()).collect();
        let filled = |contents: &[u8], usage| {
            self.device.create_buffer_init(&BufferInitDescriptor { label: None, contents, usage })
        };
        let empty = |usage| {
            self.device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: bytes,
                usage,
                mapped_at_creation: false,
            })
        };
        let uniform = filled(&uniform, wgpu::BufferUsages::UNIFORM);
        let depth = filled(&depth, wgpu::BufferUsages::STORAGE);
        let pixels = empty(wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC);
        let readable = empty(wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
        let buffers = [&uniform, &depth, &pixels];
        let entries: Vec<_> = (0..)
            .zip(buffers)
            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                binding,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.0.get_bind_group_layout(0),
            entries: &entries,
        });
        let mut encoder = self.device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&pipeline.0);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(picture.width().div_ceil(8), picture.height().div_ceil(8), 1);
        }
        encoder.copy_buffer_to_buffer(&pixels, 0, &readable, 0, bytes);
        self.queue.submit([encoder.finish()]);
        refused(scope)?;
        self.read(&readable)
    }

    fn read(&self, buffer: &wgpu::Buffer) -> Result<Vec<u8>, String> {
        let (reply, answer) = mpsc::channel();
        buffer.map_async(wgpu::MapMode::Read, .., move |mapped| {
            // The receiver waits below.
            let _ = reply.send(mapped);
        });
        self.device
            .poll(wgpu::PollType::wait_indefinitely())
            .map_err(|error| format!("the device does not answer: {error}"))?;
        answer
            .recv()
            .map_err(|error| error.to_string())?
            .map_err(|error| format!("the picture cannot be read: {error}"))?;
        let view = buffer.get_mapped_range(..).map_err(|error| error.to_string())?;
        Ok(view.to_vec())
    }
}

/// What the device said since the scope was opened. Native devices have said it by now.
fn refused(scope: wgpu::ErrorScopeGuard) -> Result<(), String> {
    let mut said = std::pin::pin!(scope.pop());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match said.as_mut().poll(&mut context) {
        std::task::Poll::Ready(Some(error)) => Err(error.to_string()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_shader_draws_bids_green_and_asks_red() {
        let gpu = match Gpu::open().await {
            Ok(gpu) => gpu,
            Err(error) => {
                assert!(std::env::var_os("HEAT_NEEDS_A_DEVICE").is_none(), "no device: {error}");
                return eprintln!("nothing is drawn without a device: {error}");
            }
        };
        let shader = cell_sdk::cell::shader!("shaders/heat.wgsl", "shaders/colours.wgsl");
        let pipeline = gpu.compile(shader.source().text()).expect("it compiles");
        let picture = Picture { columns: 9, rows: 2, scale: 3, peak: 1.0 };
        // The lower price is bid, the higher one asked.
        let depth = [1.0, -1.0].repeat(9);
        let pixels = gpu.draw(&pipeline, &picture, &depth).expect("it draws");
        assert_eq!(pixels.len(), 27 * 6 * 4);
        let (top, bottom) = (&pixels[..4], &pixels[pixels.len() - 4..]);
        assert!(top[0] > 200 && top[1] < 100, "{top:?}");
        assert!(bottom[0] < 100 && bottom[1] > 200, "{bottom:?}");

        // What a device cannot do is an error, and the device goes on.
        assert!(gpu.compile("@compute @workgroup_size(60000) fn main() {}").is_err());
        assert!(gpu.compile("@compute @workgroup_size(1) fn other() {}").is_err());
        let other = gpu.compile("@compute @workgroup_size(1) fn main() {}").expect("it compiles");
        assert!(gpu.draw(&other, &picture, &depth).is_err());
        assert!(gpu.draw(&pipeline, &picture, &depth).is_ok());
    }
}
