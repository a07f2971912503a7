// A row of pretend GPU adapters: torch's PrivateUse1 device over ordinary memory, so that the DirectML backend runs
// unchanged on a machine without DirectML.
//
// Real here: every tensor lies on one index, its bytes are counted there until it is freed, an index has a byte limit
// and refuses what exceeds it in DirectML's words, operands on different devices are refused, and a lost device fails
// whatever it is asked. The arithmetic itself is torch's CPU kernels; those operators that are named as such warn of it
// in torch-directml's words, once in a process unless torch is told to warn always, as there.
//
// Not imitated: the dtypes that DirectML aborts on (bfloat16, complex) or may refuse (float64), its failure under
// torch.inference_mode, its tensors without storage, its memory pool, its trouble with threads, its speed, and training
// (convolution has no backward).
//
// Read once from the environment, at the first use of the device:
//   FAKE_ADAPTERS         how many adapters there are (2)
//   FAKE_ADAPTER_BYTES    the byte limit of each, 0 for none (0)
//   FAKE_ADAPTER_LEAKS    1: freed bytes stay counted, as if the driver never gave them back (0)
//   FAKE_ADAPTER_LACKS    the operators without a kernel, with commas between: aten::gelu,aten::_softmax (none)
//
// Builds on torch 2.4 and on torch 2.13; the differences are behind TORCH_AT_LEAST.

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/_local_scalar_dense_native.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/resize_native.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/Allocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <pybind11/pybind11.h>
#include <torch/library.h>
#include <torch/version.h>

#include <atomic>
#include <cstdlib>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#define TORCH_AT_LEAST(major, minor) \
  (TORCH_VERSION_MAJOR > (major) || (TORCH_VERSION_MAJOR == (major) && TORCH_VERSION_MINOR >= (minor)))

namespace {

constexpr auto kDevice = c10::DeviceType::PrivateUse1;
constexpr size_t kAlignment = 64;

// ---------------------------------------------------------------------------------------------------------------------
// Adapters and their bytes

int64_t number_from_environment(const char* name, int64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr && *text != '\0' ? std::atoll(text) : otherwise;
}

bool freed_bytes_leak() {
  static const bool leak = number_from_environment("FAKE_ADAPTER_LEAKS", 0) != 0;
  return leak;
}

struct Adapter {
  std::atomic<int64_t> allocated{0};
  std::atomic<int64_t> peak{0};
  std::atomic<int64_t> limit{number_from_environment("FAKE_ADAPTER_BYTES", 0)};
  std::atomic<bool> lost{false};
};

// Never destroyed: tensors may be freed after the statics of this library are gone.
std::vector<Adapter>& adapters() {
  static auto& row = *new std::vector<Adapter>(number_from_environment("FAKE_ADAPTERS", 2));
  return row;
}

c10::DeviceIndex adapter_count() {
  return static_cast<c10::DeviceIndex>(adapters().size());
}

Adapter& adapter_at(int64_t index) {
  TORCH_CHECK(index >= 0 && index < adapter_count(), "adapter ", index, " is not one of ", int(adapter_count()));
  return adapters()[index];
}

void require_present(const Adapter& adapter) {
  TORCH_CHECK(
      !adapter.lost,
      "The GPU device instance has been suspended. Use GetDeviceRemovedReason to determine the appropriate action.");
}

void raise_peak(Adapter& adapter, int64_t bytes) {
  int64_t peak = adapter.peak;
  while (bytes > peak && !adapter.peak.compare_exchange_weak(peak, bytes)) {
  }
}

void charge(Adapter& adapter, int64_t bytes) {
  const int64_t allocated = adapter.allocated += bytes;
  if (adapter.limit > 0 && allocated > adapter.limit) {
    adapter.allocated -= bytes;
    TORCH_CHECK(
        false, "Could not allocate tensor with ", bytes, " bytes. There is not enough GPU video memory available!");
  }
  raise_peak(adapter, allocated);
}

void refund(Adapter& adapter, int64_t bytes) {
  if (!freed_bytes_leak()) {
    adapter.allocated -= bytes;
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Memory

thread_local c10::DeviceIndex current_index = 0;

struct Block {
  Adapter& adapter;
  int64_t bytes;
  void* memory;
};

void release(void* context) {
  auto* block = static_cast<Block*>(context);
  std::free(block->memory);
  refund(block->adapter, block->bytes);
  delete block;
}

void* aligned_memory(size_t bytes) {
  const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  void* memory = std::aligned_alloc(kAlignment, rounded);
  TORCH_CHECK(memory != nullptr, "the host has no ", bytes, " bytes left for a pretend adapter");
  return memory;
}

// Allocates on the calling thread's current index, as torch's device guards set it.
struct AdapterAllocator final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    const c10::Device device(kDevice, current_index);
    Adapter& adapter = adapter_at(current_index);
    require_present(adapter);
    if (bytes == 0) {
      return {nullptr, device};
    }
    charge(adapter, static_cast<int64_t>(bytes));
    void* memory = aligned_memory(bytes);
    return {memory, new Block{adapter, static_cast<int64_t>(bytes), memory}, &release, device};
  }

  void copy_data(void* target, const void* source, std::size_t bytes) const override {
    default_copy_data(target, source, bytes);
  }
};

AdapterAllocator allocator;
REGISTER_ALLOCATOR(kDevice, &allocator);

// ---------------------------------------------------------------------------------------------------------------------
// What torch asks of a device: the current index, streams (there is one, always done) and random numbers (the CPU's)

c10::Stream stream_of(c10::Device device) {
  return c10::Stream(c10::Stream::DEFAULT, device);
}

struct AdapterGuard final : c10::impl::DeviceGuardImplInterface {
  static constexpr c10::DeviceType static_type = kDevice;

  c10::DeviceType type() const override { return kDevice; }
  c10::DeviceIndex deviceCount() const noexcept override { return adapter_count(); }
  c10::Device getDevice() const override { return {kDevice, current_index}; }

  void setDevice(c10::Device device) const override {
    adapter_at(device.index());
    current_index = device.index();
  }

  void uncheckedSetDevice(c10::Device device) const noexcept override { current_index = device.index(); }

  c10::Device exchangeDevice(c10::Device device) const override {
    const c10::Device previous = getDevice();
    setDevice(device);
    return previous;
  }

  c10::Stream getStream(c10::Device device) const noexcept override { return stream_of(device); }
  c10::Stream getNewStream(c10::Device device, int) const override { return stream_of(device); }
  c10::Stream exchangeStream(c10::Stream stream) const noexcept override { return stream; }
  void record(void**, const c10::Stream&, const c10::DeviceIndex, const c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  void destroyEvent(void*, const c10::DeviceIndex) const noexcept override {}
};

C10_REGISTER_GUARD_IMPL(PrivateUse1, AdapterGuard);

struct AdapterHooks final : at::PrivateUse1HooksInterface {
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return adapter_count(); }

#if TORCH_AT_LEAST(2, 9)
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return adapter_count() > 0; }
  at::Generator getNewGenerator(c10::DeviceIndex) const override { return at::make_generator<at::CPUGeneratorImpl>(); }

  const at::Generator& getDefaultGenerator(c10::DeviceIndex) const override {
    return at::detail::getDefaultCPUGenerator();
  }
#else
  const at::Generator& getDefaultGenerator(c10::DeviceIndex) override { return at::detail::getDefaultCPUGenerator(); }
#endif
};

AdapterHooks hooks;

// ---------------------------------------------------------------------------------------------------------------------
// Operators: making, copying and viewing memory

using Size = c10::IntArrayRef;
using SymSize = c10::SymIntArrayRef;
using MaybeDtype = std::optional<at::ScalarType>;
using MaybeLayout = std::optional<at::Layout>;
using MaybeDevice = std::optional<at::Device>;
using MaybePinned = std::optional<bool>;
using MaybeFormat = std::optional<at::MemoryFormat>;

constexpr c10::DispatchKeySet kKeys(c10::DispatchKey::PrivateUse1);

at::Tensor empty(Size size, MaybeDtype dtype, MaybeLayout, MaybeDevice device, MaybePinned, MaybeFormat format) {
  const c10::OptionalDeviceGuard guard(device);
  return at::detail::empty_generic(size, &allocator, kKeys, c10::dtype_or_default(dtype), format);
}

at::Tensor empty_strided(Size size, Size stride, MaybeDtype dtype, MaybeLayout, MaybeDevice device, MaybePinned) {
  const c10::OptionalDeviceGuard guard(device);
  return at::detail::empty_strided_generic(size, stride, &allocator, kKeys, c10::dtype_or_default(dtype));
}

// The same memory under a CPU tensor, which keeps the original alive. A lost device shows nothing.
at::Tensor as_cpu(const at::Tensor& tensor) {
  if (tensor.is_cpu()) {
    return tensor;
  }
  require_present(adapter_at(tensor.device().index()));
  const auto options = tensor.options().device(at::kCPU);
  if (tensor.numel() == 0) {
    return at::empty_strided(tensor.sizes(), tensor.strides(), options);
  }
  return at::from_blob(tensor.data_ptr(), tensor.sizes(), tensor.strides(), [tensor](void*) {}, options);
}

at::Tensor copy_from(const at::Tensor& source, const at::Tensor& target, bool) {
  as_cpu(target).copy_(as_cpu(source));
  return target;
}

const at::Tensor& resize(const at::Tensor& tensor, SymSize size, MaybeFormat format) {
  const c10::DeviceGuard guard(tensor.device());
  return at::native::resize_(tensor, C10_AS_INTARRAYREF_SLOW(size), format);
}

at::Tensor copy_from_and_resize(const at::Tensor& source, const at::Tensor& target) {
  target.resize_(source.sizes());
  return copy_from(source, target, /*non_blocking=*/false);
}

at::Scalar local_scalar_dense(const at::Tensor& tensor) {
  return at::native::_local_scalar_dense_cpu(as_cpu(tensor));
}

at::Tensor as_strided(const at::Tensor& tensor, Size size, Size stride, std::optional<int64_t> offset) {
  return at::native::as_strided_tensorimpl(tensor, size, stride, offset);
}

at::Tensor& set_storage(at::Tensor& tensor, at::Storage storage, int64_t offset, Size size, Size stride) {
  return at::native::set_storage_cpu_(tensor, storage, offset, size, stride);
}

at::Tensor& set_whole_storage(at::Tensor& tensor, at::Storage storage) {
  const auto elements = static_cast<int64_t>(storage.nbytes() / tensor.dtype().itemsize());
  return set_storage(tensor, storage, 0, {elements}, {});
}

// ---------------------------------------------------------------------------------------------------------------------
// Operators: everything else, computed by torch's CPU kernels

std::vector<at::Tensor> tensors_among(at::ArrayRef<c10::IValue> arguments) {
  std::vector<at::Tensor> found;
  for (const auto& argument : arguments) {
    if (argument.isTensor()) {
      found.push_back(argument.toTensor());
    } else if (argument.isTensorList()) {
      for (const at::Tensor& tensor : argument.toTensorList()) {
        found.push_back(tensor);
      }
    }
  }
  return found;
}

// Torch's own fallback would quietly bring operands together. A CPU scalar may meet any device, as everywhere in torch.
void require_one_device(at::ArrayRef<c10::IValue> arguments) {
  std::optional<c10::Device> device;
  for (const auto& tensor : tensors_among(arguments)) {
    if (!tensor.defined() || (tensor.is_cpu() && tensor.dim() == 0)) {
      continue;
    }
    TORCH_CHECK(
        !device || *device == tensor.device(),
        "Expected all tensors to be on the same device, but found at least two devices, ",
        *device, " and ", tensor.device(), "!");
    device = tensor.device();
  }
}

std::set<std::string> names_from_environment(const char* name) {
  const char* text = std::getenv(name);
  std::istringstream parts(text != nullptr ? text : "");
  std::set<std::string> names;
  for (std::string part; std::getline(parts, part, ',');) {
    names.insert(part);
  }
  return names;
}

void warn_if_kernel_is_lacking(const c10::OperatorHandle& op) {
  static const std::set<std::string> lacking = names_from_environment("FAKE_ADAPTER_LACKS");
  const std::string name = c10::toString(op.operator_name());
  if (lacking.count(name) > 0) {
    TORCH_WARN_ONCE(
        "The operator '", name, "' is not currently supported on the DML backend and will fall back to run on the CPU.",
        " This may have performance implications.");
  }
}

void compute_on_cpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  require_one_device(torch::jit::last(*stack, op.schema().arguments().size()));
  warn_if_kernel_is_lacking(op);
  at::native::cpu_fallback(op, stack);
}

// The generic fallback cannot serve this one: the CPU has no kernel of that name.
at::Tensor convolution(
    const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias, SymSize stride,
    SymSize padding, SymSize dilation, bool transposed, SymSize output_padding, c10::SymInt groups) {
  require_one_device({input, weight, bias});
  std::optional<at::Tensor> cpu_bias;
  if (bias && bias->defined()) {
    cpu_bias = bias->cpu();
  }
  return at::convolution_symint(
             input.cpu(), weight.cpu(), cpu_bias, stride, padding, dilation, transposed, output_padding, groups)
      .to(input.device());
}

// All views are here: the fallback would answer with a copy, and what is written to a copy is lost.
TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", &empty);
  library.impl("empty_strided", &empty_strided);
  library.impl("_copy_from", &copy_from);
  library.impl("_copy_from_and_resize", &copy_from_and_resize);
  library.impl("_local_scalar_dense", &local_scalar_dense);
  library.impl("resize_", &resize);
  library.impl("as_strided", &as_strided);
  library.impl("view", &at::native::view);
  library.impl("_reshape_alias", &at::native::_reshape_alias);
  library.impl("unfold", &at::native::unfold);
  library.impl("set_.source_Storage", &set_whole_storage);
  library.impl("set_.source_Storage_storage_offset", &set_storage);
  library.impl("convolution_overrideable", &convolution);
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&compute_on_cpu>());
}

// ---------------------------------------------------------------------------------------------------------------------
// What tests ask of an adapter

int64_t allocated_bytes(int64_t index) {
  return adapter_at(index).allocated;
}

int64_t peak_bytes(int64_t index) {
  return adapter_at(index).peak;
}

int64_t limit_bytes(int64_t index) {
  return adapter_at(index).limit;
}

void set_limit(int64_t index, int64_t bytes) {
  adapter_at(index).limit = bytes;
}

void lose_device(int64_t index) {
  adapter_at(index).lost = true;
}

// Back to what the environment says. Live tensors keep counting.
void restore(int64_t index) {
  Adapter& adapter = adapter_at(index);
  adapter.limit = number_from_environment("FAKE_ADAPTER_BYTES", 0);
  adapter.lost = false;
  adapter.peak = adapter.allocated.load();
}

}  // namespace

PYBIND11_MODULE(fake_adapters, module) {
  at::RegisterPrivateUse1HooksInterface(&hooks);
  module.def("adapter_count", [] { return adapters().size(); });
  module.def("allocated_bytes", &allocated_bytes);
  module.def("peak_bytes", &peak_bytes);
  module.def("limit_bytes", &limit_bytes);
  module.def("set_limit", &set_limit);
  module.def("lose_device", &lose_device);
  module.def("restore", &restore);
}
