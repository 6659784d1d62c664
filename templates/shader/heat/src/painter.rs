//! The picture on disk: drawn when somebody asks, and again whenever the shader changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cell_sdk::cell;
use tokio::sync::Mutex;

use crate::book;
use crate::gpu::{Gpu, Picture, Pipeline};
use crate::heat::{Drawn, Trouble};

const MOMENTS: u32 = 192;
const PRICES: u32 = 96;
const SCALE: u32 = 4;

/// A handle to the one device; cheap to clone.
#[derive(Clone)]
pub struct Painter(Arc<Inner>);

struct Inner {
    /// The device, or why there is none.
    gpu: Result<Gpu, String>,
    /// What the last good shader made, and its version.
    pipeline: Mutex<Option<(Arc<Pipeline>, u64)>>,
}

impl Painter {
    /// Looks for a device. A cell without one serves all the same, and says so to who asks.
    pub async fn new() -> Painter {
        let gpu = Gpu::open().await.map_err(|error| {
            format!(
                "no Vulkan device: {error}; Debian's `mesa-vulkan-drivers` has one that runs on the CPU"
            )
        });
        match &gpu {
            Ok(gpu) => println!("draws on {}", gpu.name),
            Err(why) => eprintln!("{why}"),
        }
        Painter(Arc::new(Inner { gpu, pipeline: Mutex::new(None) }))
    }

    /// Takes every new text of the shader. One that the device refuses is reported, and the one before stays.
    pub async fn follow(self, mut shader: cell::Shader) {
        loop {
            let source = shader.changed().await;
            match self.take(&source).await {
                Err(why) => shader.refuse(&source, why),
                Ok(()) if source.version() == 0 => {}
                Ok(()) => match self.draw().await {
                    Ok(drawn) => println!("drawn again: {}", drawn.file),
                    Err(trouble) => eprintln!("cannot draw: {trouble:?}"),
                },
            }
        }
    }

    async fn take(&self, source: &cell::ShaderSource) -> Result<(), String> {
        // Without a device every text is as good as another.
        if let Ok(gpu) = &self.0.gpu {
            let pipeline = Arc::new(gpu.compile(source.text())?);
            *self.0.pipeline.lock().await = Some((pipeline, source.version()));
        }
        Ok(())
    }

    /// Draws the book as it is now.
    pub async fn draw(&self) -> Result<Drawn, Trouble> {
        let gpu = self.0.gpu.as_ref().map_err(|why| Trouble::NoDevice(why.clone()))?;
        let pipeline = self.0.pipeline.lock().await.clone();
        let (pipeline, shader) =
            pipeline.ok_or_else(|| Trouble::Shader("no shader was good so far".to_owned()))?;
        let depth =
            book::depth(MOMENTS, PRICES).await.map_err(|error| Trouble::Book(error.to_string()))?;
        let peak = depth.quantities.iter().fold(1.0_f32, |peak, quantity| peak.max(quantity.abs()));
        let picture = Picture { columns: depth.moments, rows: depth.prices, scale: SCALE, peak };
        let pixels = gpu.draw(&pipeline, &picture, &depth.quantities).map_err(Trouble::Shader)?;
        let file = file();
        write(&file, &picture, &pixels)
            .map_err(|error| Trouble::File(format!("{}: {error}", file.display())))?;
        Ok(Drawn {
            file: file.display().to_string(),
            width: picture.width(),
            height: picture.height(),
            device: gpu.name.clone(),
            shader,
        })
    }
}

/// In the one folder that a sandboxed cell may write to.
fn file() -> PathBuf {
    let folder =
        std::env::var_os("CELL_DATA_DIR").map_or_else(|| PathBuf::from("."), PathBuf::from);
    folder.join("heat.png")
}

/// Who looks at the picture never sees half of it.
fn write(file: &Path, picture: &Picture, pixels: &[u8]) -> anyhow::Result<()> {
    let new = file.with_extension("new");
    let mut png = png::Encoder::new(
        std::io::BufWriter::new(std::fs::File::create(&new)?),
        picture.width(),
        picture.height(),
    );
    png.set_color(png::ColorType::Rgba);
    png.set_depth(png::BitDepth::Eight);
    png.write_header()?.write_image_data(pixels)?;
    std::fs::rename(&new, file)?;
    Ok(())
}
